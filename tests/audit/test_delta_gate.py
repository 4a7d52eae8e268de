"""Δ that follows contexts is called so, matched Δ is not; perturbations without controls are listed with their cure."""

import numpy as np
import pytest

from perturbridge.audit._context_share import context_share
from perturbridge.audit._delta_gate import check_delta
from perturbridge.errors import DataError
from perturbridge.values import ContextTable, Effects


def planted(*, n=60, n_contexts=4, shift=1.0, uneven=True, controls=200, effect=1.0, seed=0, n_genes=50):
    """Cells of perturbations in contexts whose expression differs by `shift`; Δ against the controls of the same contexts."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(n_contexts, 0.3 if uneven else 1e6), size=n)
    cells = np.stack([rng.multinomial(100, share) for share in shares])
    context_mean = shift * rng.normal(size=(n_contexts, n_genes))
    truth = effect * rng.normal(size=(n, n_genes)) * rng.gamma(1.0, 1.0, size=(n, 1))
    weights = cells / cells.sum(axis=1, keepdims=True)
    mean = truth + weights @ context_mean + rng.normal(size=(n, n_genes)) / 10
    control_mean = context_mean + rng.normal(size=(n_contexts, n_genes)) / np.sqrt(controls)
    table = ContextTable(
        names=tuple(f"c{i}" for i in range(n_contexts)),
        n_perturbed=cells,
        n_control=np.full(n_contexts, controls),
        control_mean=control_mean,
        control_variance=np.ones((n_contexts, n_genes)),
    )
    return Effects(
        perturbations=[f"G{i}" for i in range(n)],
        genes=[f"g{i}" for i in range(n_genes)],
        delta=mean - weights @ control_mean,
        n_cells=cells.sum(axis=1),
        control_mean=control_mean.mean(axis=0),
        variance=np.ones((n, n_genes)),
        contexts=table,
    )


def raw(effects):
    return effects.delta + effects.matched_control - effects.control_mean


def test_raw_delta_fails_and_matched_delta_passes():
    for seed in range(5):
        effects = planted(shift=2.0, seed=seed)
        matched = check_delta(effects)
        assert matched.verdict == "pass"
        assert matched.figures["matched_share"] < 0.02
        assert abs(matched.figures["follows"]) < 0.1
        assert matched.figures["raw_share"] > 0.2
        judged = check_delta(effects, delta=raw(effects))
        assert judged.verdict == "fail"
        assert judged.p == judged.p_attainable
        assert judged.effect == pytest.approx(matched.figures["raw_share"])
        assert judged.figures["follows"] == pytest.approx(judged.effect, abs=0.15)
        assert "controls of the same contexts" in judged.cure


def test_the_share_is_that_of_the_design():
    """Squared differences of the mix part over those of all of raw Δ."""
    effects = planted(n=300, shift=1.0, n_contexts=3)
    judged = raw(effects)
    mix = judged - effects.delta
    centred = [x - x.mean(axis=0) for x in (mix, judged)]
    expected = (centred[0] ** 2).sum() / (centred[1] ** 2).sum()
    check = check_delta(effects, delta=judged)
    assert check.effect == pytest.approx(expected, abs=0.02)
    assert check.low < expected < check.high


def test_a_context_effect_that_controls_do_not_show_is_noticed():
    """Perturbed cells of one context carry a shift of their own: matched controls cannot take it away."""
    effects = planted(shift=0.0, n=80)
    moved = effects.delta + 3.0 * effects.contexts.weights[:, :1]
    check = check_delta(Effects(**{**vars(effects), "delta": moved}))
    assert check.figures["matched_share"] < 0.02
    assert check.verdict == "fail"
    assert "beyond chance" in check.evidence


@pytest.mark.parametrize("uneven", [True, False])
def test_without_a_context_effect_it_does_not_fail_and_p_is_uniform(uneven):
    checks = [
        check_delta(planted(shift=0.0, n=40, uneven=uneven, seed=s), n_permutations=99, seed=s) for s in range(40)
    ]
    assert sum(check.verdict == "fail" for check in checks) <= 2
    ps = np.array([check.p for check in checks])
    assert np.mean(ps <= 0.05) <= 0.15
    assert 0.35 < ps.mean() < 0.65


def test_perturbations_in_contexts_of_their_own_cannot_be_told():
    effects = planted(n=12, n_contexts=12)
    table = effects.contexts
    alone = ContextTable(
        names=table.names,
        n_perturbed=100 * np.eye(12, dtype=int),
        n_control=table.n_control,
        control_mean=table.control_mean,
        control_variance=table.control_variance,
    )
    own = Effects(
        perturbations=effects.perturbations,
        genes=effects.genes,
        delta=effects.delta,
        n_cells=effects.n_cells,
        control_mean=effects.control_mean,
        contexts=alone,
    )
    check = check_delta(own)
    assert check.verdict == "not_identifiable"
    assert "contexts of their own" in check.evidence


def test_cells_without_controls_are_listed_with_their_cure():
    effects = planted()
    check = check_delta(effects, left_out={"G3": 150, "G5": 30, "LOST<b>": 40})
    assert check.verdict == "warn"
    listed = {row["perturbation"]: row for row in check.figures["perturbations"]}
    assert set(listed) == {"G3", "G5", "LOST<b>"}
    assert listed["G3"]["verdict"] == "not_identifiable"
    assert listed["G5"]["verdict"] == "warn"
    assert listed["LOST<b>"]["cure"].startswith("Measure controls")
    assert "3 perturbations need a look, the first is 'G3' (150 cells without controls" in check.evidence
    few = check_delta(planted(controls=2))
    assert all(row["effective_controls"] < 10 for row in few.figures["perturbations"])
    assert few.figures["n_listed"] > 0


def test_what_cannot_be_asked_is_said():
    assert not check_delta(Effects.from_delta(np.ones((3, 2)), perturbations=["A", "B", "C"])).gates
    assert "too few" in check_delta(planted(n=5)).evidence
    with pytest.raises(DataError, match=r"Δ has shape \(3, 2\)"):
        check_delta(planted(), delta=np.ones((3, 2)))


def test_adjusted_share_is_that_of_a_regression():
    rng = np.random.default_rng(0)
    mixes, delta = rng.dirichlet(np.ones(4), size=50), rng.normal(size=(50, 7))
    delta += mixes @ rng.normal(size=(4, 7))
    design = np.column_stack([np.ones(50), mixes[:, :3]])
    residual = delta - design @ np.linalg.lstsq(design, delta, rcond=None)[0]
    r2 = 1 - (residual**2).sum() / ((delta - delta.mean(axis=0)) ** 2).sum()
    found = context_share(delta, mixes, n_permutations=9, rng=rng).ratio
    assert found.whole[0] / found.whole[1] == pytest.approx((r2 - 3 / 49) / (1 - 3 / 49))


def test_order_of_contexts_and_genes_and_scale_change_nothing():
    effects = planted(shift=0.5)
    base = check_delta(effects, delta=raw(effects))
    rng = np.random.default_rng(2)
    table, contexts, genes = effects.contexts, rng.permutation(4), rng.permutation(50)
    other = Effects(
        perturbations=effects.perturbations,
        genes=[effects.genes[i] for i in genes],
        delta=4 * effects.delta[:, genes],
        n_cells=effects.n_cells,
        control_mean=4 * effects.control_mean[genes],
        contexts=ContextTable(
            names=table.names,
            n_perturbed=table.n_perturbed[:, contexts],
            n_control=table.n_control,
            control_mean=4 * table.control_mean[contexts][:, genes],
            control_variance=16 * table.control_variance[contexts][:, genes],
        ),
    )
    found = check_delta(other, delta=raw(other))
    assert found.effect == pytest.approx(base.effect)
    assert found.figures["follows"] == pytest.approx(base.figures["follows"])


def test_norman_passes(data_dir):
    from perturbridge.screens import pseudobulk, read_screen

    screen = read_screen(data_dir / "screens" / "norman2019_k562_crispra.h5ad", context="gemgroup")
    check = check_delta(pseudobulk(screen))
    assert check.verdict == "pass"
    assert check.high < 0.05
