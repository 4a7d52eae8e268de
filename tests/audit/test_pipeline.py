"""Steps fitted on too much, guides and cells on both sides: each is named; clean cases pass; nothing is invented."""

import dataclasses
import time

import numpy as np
import pytest

from perturbridge.audit._duplicates import copies_across, near_copies_across
from perturbridge.audit._pipeline import check_pipeline
from perturbridge.errors import DataError
from perturbridge.values import FittedStep, Latent, as_labels

STEPS = tuple(
    FittedStep(name=name, rows="train", split_hash="a" * 64, n_cells=700)
    for name in ("gene choice", "scaling", "encoder")
)


def latent_of(*, n=1000, d=8, seed=0, **changes):
    rng = np.random.default_rng(seed)
    z = (rng.normal(size=(n, d)) * np.geomspace(3, 0.2, d)).astype(np.float32)
    trained = np.arange(n) < 0.7 * n
    base = Latent(z=z, name="ours", trained=trained, steps=STEPS, split_hash="a" * 64)
    return dataclasses.replace(base, **changes)


def test_a_latent_of_training_cells_passes():
    check = check_pipeline(latent_of())
    assert check.verdict == "pass"
    assert check.effect == 0
    assert "gene choice, scaling, encoder saw training cells alone" in check.evidence


@pytest.mark.parametrize("name", ["gene choice", "scaling", "encoder"])
def test_the_step_that_saw_all_cells_is_named(name):
    steps = tuple(dataclasses.replace(step, rows="all") if step.name == name else step for step in STEPS)
    check = check_pipeline(latent_of(steps=steps))
    assert check.verdict == "fail"
    assert check.evidence.lower().startswith(f"{name} was fitted on all cells")
    assert "training cells" in check.cure


def test_another_split_and_too_many_cells_are_named():
    other = (dataclasses.replace(STEPS[0], split_hash="b" * 64), *STEPS[1:])
    assert "under split bbbbbbbbbbbb, not aaaaaaaaaaaa" in check_pipeline(latent_of(steps=other)).evidence
    assert "belongs to split aaaaaaaaaaaa" in check_pipeline(latent_of(), split_hash="c" * 64).evidence
    more = (dataclasses.replace(STEPS[0], n_cells=701), *STEPS[1:])
    assert "saw 701 cells, but only 700" in check_pipeline(latent_of(steps=more)).evidence


def test_unknown_provenance_is_said_and_does_not_gate():
    array = check_pipeline(Latent(z=np.random.default_rng(0).normal(size=(50, 3)), name="X_pca"))
    assert (array.verdict, array.gates) == ("info", False)
    assert "cannot be checked" in array.evidence
    unknown = (*STEPS[:2], FittedStep(name="encoder", rows="unknown"))
    assert "encoder saw was not written down" in check_pipeline(latent_of(steps=unknown)).evidence
    whole = (FittedStep(name="encoder", rows="all"),)
    nothing_held_out = check_pipeline(latent_of(steps=whole, trained=np.ones(1000, dtype=bool), split_hash=""))
    assert nothing_held_out.verdict == "info"
    assert "No cell is held out" in nothing_held_out.evidence


@pytest.mark.parametrize("rounding", [0.0, 1e-7])
def test_copies_across_the_split_are_counted_and_named(rounding):
    latent = latent_of()
    z = latent.z.copy()
    z[[800, 900, 950]] = z[[10, 20, 20]] * (1 + rounding)
    check = check_pipeline(latent_of(z=z, cells=np.arange(1000) + 5000))
    assert check.verdict == "fail"
    assert check.figures["n_copies"] == 3
    assert "3 of 300 test cells are copies of training cells, the first are cells 5800 and 5010" in check.evidence
    assert "Keep one cell of each copy" in check.cure


def test_near_copies_are_found_without_naming_neighbours():
    rng = np.random.default_rng(0)
    latent = latent_of()
    z = latent.z.copy()
    z[700:720] = z[:20] + rng.normal(size=(20, 8)) * 0.02 * z.std(axis=0)
    check = check_pipeline(latent_of(z=z))
    assert check.verdict == "fail"
    assert check.figures["n_copies"] == 0
    assert 18 <= check.figures["n_near"] <= 20
    assert "nearer to a training cell than chance allows" in check.evidence


@pytest.mark.parametrize("d", [2, 8, 32])
@pytest.mark.parametrize("shape", ["normal", "heavy", "clusters"])
def test_no_copy_is_invented(d, shape):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(1000, d))
        if shape == "heavy":
            z = rng.standard_t(3, size=(1000, d))
        if shape == "clusters":
            z = z * rng.choice([0.05, 1.0], size=(1000, 1)) + 10 * rng.integers(0, 4, size=(1000, 1))
        assert check_pipeline(latent_of(z=z.astype(np.float32)), seed=seed).verdict == "pass", seed


def test_guides_on_both_sides_are_named_but_those_of_controls_are_not():
    latent = latent_of()
    names = np.where(np.arange(1000) % 10 == 0, "safe-1", np.where(latent.trained, "g<1>", "g2"))
    control = names == "safe-1"
    assert check_pipeline(latent, guides=as_labels("guide", names, latent), control=control).verdict == "pass"
    names[-1] = "g<1>"
    check = check_pipeline(latent, guides=as_labels("guide", names, latent), control=control & (names != "g<1>"))
    assert check.verdict == "fail"
    assert "1 guides stand on both sides of the split, the first is 'g<1>'" in check.evidence
    with pytest.raises(DataError, match="control has 3 entries"):
        check_pipeline(latent, control=np.ones(3, dtype=bool))


def test_a_collapsed_latent_is_not_searched_for_ever():
    z = np.zeros((20_000, 4), dtype=np.float32)
    z[:, 0] = np.arange(20_000) % 3
    trained = np.arange(20_000) < 10_000
    start = time.process_time()
    cells, _ = copies_across(z, ~trained)
    near = near_copies_across(z, ~trained, n_test=100, n_train=1000, rng=np.random.default_rng(0))
    assert time.process_time() - start < 2
    assert len(cells) == 10_000
    assert near.n_found == 0


def test_copies_agree_with_every_pair_compared():
    rng = np.random.default_rng(0)
    z = rng.integers(0, 3, size=(300, 4)).astype(np.float32)
    test = rng.random(300) < 0.4
    cells, mates = copies_across(z, test)
    equal = (z[:, None] == z[None]).all(axis=2) & test[:, None] & ~test[None, :]
    assert cells.tolist() == np.flatnonzero(equal.any(axis=1)).tolist()
    assert all(equal[i, j] for i, j in zip(cells, mates, strict=True))


def test_order_place_and_scale_change_nothing():
    z = latent_of().z.copy()
    z[800] = z[10]
    order = np.random.default_rng(1).permutation(1000)
    base = latent_of(z=z)
    for other in (
        latent_of(z=5 * z + 3),
        latent_of(z=z[order], trained=base.trained[order], cells=order),
    ):
        check = check_pipeline(other)
        assert (check.verdict, check.figures["n_copies"]) == ("fail", 1)
