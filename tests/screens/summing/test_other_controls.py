"""Controls of kinds that are not the baseline: summed by themselves, against the baseline of their contexts, in no other sum."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from perturbridge.errors import DataError
from perturbridge.screens import (
    control_kinds_of,
    describe_screen,
    make_split,
    pseudobulk,
    read_effects,
    read_screen,
    split_screen,
    write_effects,
    write_screen,
)
from perturbridge.values import CONTROL_CODE, UNASSIGNED_CODE, OtherControls

LABELS = ("non-targeting_1", "safe-targeting_1", "INTERGENIC3", "A", "B", "multiplet")
N_GENES = 40


def simulated(*, shift: float = 0.0, n_cells: int = 1800) -> AnnData:
    """Counts of three contexts with levels of their own; safe-targeting cells express the first half of the genes `shift` more (log)."""
    rng = np.random.default_rng(4)
    label = np.array(LABELS)[rng.integers(len(LABELS), size=n_cells)]
    batch = rng.integers(3, size=n_cells)
    rate = np.exp(rng.normal(1, 0.5, N_GENES) + rng.normal(0, 0.3, (3, N_GENES))[batch])
    rate[label == "safe-targeting_1", : N_GENES // 2] *= np.exp(shift)
    obs = pd.DataFrame({"guide": label, "batch": [f"b{b}" for b in batch]}, index=[f"c{i}" for i in range(n_cells)])
    genes = ["A", "B", *(f"G{i}" for i in range(N_GENES - 2))]
    return AnnData(rng.poisson(rate).astype("f4"), obs=obs, var=pd.DataFrame(index=genes))


def brute_force(adata, label):
    x = adata.X.astype(np.float64)
    x = np.log1p(x / x.sum(axis=1, keepdims=True) * 1e4)
    own, control = adata.obs["guide"].to_numpy() == label, adata.obs["guide"].to_numpy() == LABELS[0]
    delta, noise = x[own].mean(axis=0), x[own].var(axis=0, ddof=1) / own.sum()
    for batch in sorted(set(adata.obs["batch"])):
        here = adata.obs["batch"].to_numpy() == batch
        share = (own & here).sum() / own.sum()
        delta = delta - share * x[control & here].mean(axis=0)
        noise = noise + share**2 * x[control & here].var(axis=0, ddof=1) / (control & here).sum()
    return delta, noise


def test_each_kind_is_compared_with_the_baseline_of_its_contexts():
    adata = simulated(shift=0.4)
    effects = pseudobulk(read_screen(adata, context="batch"))
    others = effects.other_controls
    assert others.kinds == ("intergenic", "safe-targeting")
    for i, label in enumerate(("INTERGENIC3", "safe-targeting_1")):
        delta, noise = brute_force(adata, label)
        np.testing.assert_allclose(others.delta[i], delta, atol=1e-6)
        np.testing.assert_allclose(others.noise[i], noise, rtol=1e-5)
        assert others.n_cells[i] == (adata.obs["guide"] == label).sum()


def test_nothing_else_changes_by_their_presence():
    """The other sums are those of a file in which the cells of other kinds have no label at all."""
    adata = simulated(shift=0.4)
    effects = pseudobulk(read_screen(adata, context="batch"))
    bare = adata.copy()
    bare.obs["guide"] = ["multiplet" if label in LABELS[1:3] else label for label in bare.obs["guide"]]
    alone = pseudobulk(read_screen(bare, context="batch"))
    assert alone.other_controls is None
    for name in ("delta", "variance", "control_mean", "n_cells", "detected"):
        np.testing.assert_array_equal(getattr(effects, name), getattr(alone, name))
    np.testing.assert_array_equal(effects.contexts.n_control, alone.contexts.n_control)
    assert effects.fingerprint != alone.fingerprint
    left_out = next(f for f in effects.findings if f.code == "unassigned_cells")
    assert left_out.count == (adata.obs["guide"] == "multiplet").sum()


@pytest.mark.parametrize(("shift", "level"), [(0.0, "info"), (0.4, "warning")])
def test_a_kind_that_differs_is_warned_of_and_one_that_does_not_is_not(shift, level):
    effects = pseudobulk(read_screen(simulated(shift=shift), context="batch"))
    found = {f.example: f for f in effects.findings if f.code == "other_controls"}
    assert found["safe-targeting"].level == level
    assert found["intergenic"].level == "info"
    assert ("no substitute" in found["safe-targeting"].message) == (level == "warning")
    size, expected = effects.other_controls.size, effects.other_controls.expected
    assert 0.7 < size[0] / expected[0] < 1.3


def test_few_cells_and_contexts_without_a_baseline():
    adata = simulated()
    label = adata.obs["guide"].to_numpy().astype(object)
    label[np.flatnonzero(label == "INTERGENIC3")[1:]] = "multiplet"
    label[(label == LABELS[0]) & (adata.obs["batch"] == "b2").to_numpy()] = "multiplet"
    adata.obs["guide"] = label
    effects = pseudobulk(read_screen(adata, context="batch"))
    beside = (label == "safe-targeting_1") & (adata.obs["batch"] != "b2").to_numpy()
    counts = dict(zip(effects.other_controls.kinds, effects.other_controls.n_cells.tolist(), strict=True))
    assert counts["safe-targeting"] == beside.sum()
    if "intergenic" in counts:
        assert counts["intergenic"] == 1
        alone = next(f for f in effects.findings if f.code == "other_controls" and f.example == "intergenic")
        assert "too few cells to say" in alone.message
    adata.X[label == "INTERGENIC3"] = 0
    emptied = pseudobulk(read_screen(adata, context="batch"))
    assert emptied.other_controls.kinds == ("safe-targeting",)


def test_they_survive_files(tmp_path):
    screen = read_screen(simulated(shift=0.4), context="batch")
    effects = pseudobulk(screen)
    write_effects(effects, tmp_path / "e.h5ad")
    again = read_effects(tmp_path / "e.h5ad")
    for name in ("delta", "noise", "n_cells"):
        np.testing.assert_array_equal(getattr(again.other_controls, name), getattr(effects.other_controls, name))
    assert again.other_controls.kinds == effects.other_controls.kinds
    write_screen(screen, tmp_path / "s.h5ad")
    back = read_screen(tmp_path / "s.h5ad", context="context")
    np.testing.assert_array_equal(back.perturbation_codes, screen.perturbation_codes)
    np.testing.assert_array_equal(back.other_controls.codes, screen.other_controls.codes)
    np.testing.assert_array_equal(pseudobulk(back).delta, effects.delta)


def test_what_a_screen_says_of_them():
    screen = read_screen(simulated(), context="batch")
    told = describe_screen(screen)
    rows = {row["kind"]: row for row in told["control_kinds"]}
    assert {kind: row["role"] for kind, row in rows.items()} == {
        "non-targeting": "baseline",
        "intergenic": "apart",
        "safe-targeting": "apart",
    }
    assert all(row["n_contexts"] == 3 for row in rows.values())
    assert told["n_other_control_cells"] == rows["intergenic"]["n_cells"] + rows["safe-targeting"]["n_cells"]
    total = told["n_control_cells"] + told["n_other_control_cells"] + told["n_unassigned_cells"]
    assert total + (screen.perturbation_codes >= 0).sum() == screen.n_cells
    assert not any("targeting" in str(name) for name in screen.perturbations)
    json.dumps(told, allow_nan=False)


def test_they_go_with_their_level_when_that_is_held_out():
    screen = read_screen(simulated(), context="batch")
    split = make_split(screen, kind="context")
    sides = [split_screen(screen, split, fold) for fold in split.folds]
    n = sum(row["n_cells"] for row in control_kinds_of(screen) if row["role"] == "apart")
    assert sum((test.other_controls.codes >= 0).sum() for _, test in sides) == n
    for train, test in sides:
        assert not ((train.other_controls.codes >= 0) & (test.other_controls.codes >= 0)).any()
        assert not ((test.other_controls.codes >= 0) & (test.perturbation_codes != UNASSIGNED_CODE)).any()


def test_a_cell_is_one_thing(tmp_path):
    screen = read_screen(simulated(), context="batch")
    codes = np.where(screen.other_controls.codes >= 0, CONTROL_CODE, screen.perturbation_codes)
    with pytest.raises(DataError, match="have a perturbation code as well"):
        replace(screen, perturbation_codes=codes)
    with pytest.raises(DataError):
        OtherControls(kinds=("a", "a"), n_cells=np.ones(2), delta=np.ones((2, 3)), noise=np.ones((2, 3)))
