"""Change of the perturbed gene itself."""

from __future__ import annotations

import json
from math import log2

import numpy as np
import pytest

from perturbridge.screens import pseudobulk, simulate, target_changes
from perturbridge.values import ContextTable, Effects


def effects() -> Effects:
    """Two contexts with different controls; A is knocked down from 3 to 1 CP10k where it is in context b0 alone."""
    return Effects(
        perturbations=("A", "B+A", "Z"),
        genes=("A", "B"),
        delta=np.log1p([[1.0, 0], [3, 0], [0, 0]]) - np.log1p([[3.0, 0], [3, 0], [0, 0]]),
        n_cells=np.array([5, 6, 7]),
        control_mean=np.log1p([5.0, 0]),
        contexts=ContextTable(
            names=("b0", "b1"),
            n_perturbed=np.array([[5, 0], [6, 0], [0, 7]]),
            n_control=np.array([4, 4]),
            control_mean=np.log1p([[3.0, 0], [7, 0]]),
            control_variance=np.ones((2, 2)),
        ),
    )


def test_fold_change_is_against_the_controls_of_the_same_contexts() -> None:
    first, *_ = target_changes(effects())
    assert first["log2_fold_change"] == pytest.approx(log2((1 + 0.01) / (3 + 0.01)))
    assert first["control_mean"] == pytest.approx(np.log1p(3))
    assert first["perturbed_mean"] == pytest.approx(np.log1p(1))
    assert first["delta"] == pytest.approx(np.log1p(1) - np.log1p(3))
    assert first["n_cells"] == 5


def test_every_target_of_every_perturbation_is_listed() -> None:
    listed = [(c["perturbation"], c["gene"], c["measured"]) for c in target_changes(effects())]
    assert listed == [("A", "A", True), ("A+B", "A", True), ("A+B", "B", True), ("Z", "Z", False)]


def test_a_gene_that_is_never_seen_stays_finite_and_one_not_measured_says_nothing() -> None:
    *_, silent, missing = target_changes(effects())
    assert silent["log2_fold_change"] == 0
    for name in ("control_mean", "perturbed_mean", "delta", "log2_fold_change"):
        assert missing[name] is None


def test_records_are_plain_json() -> None:
    records = target_changes(effects())
    assert json.loads(json.dumps(records, allow_nan=False)) == records


def test_finds_the_planted_knock_down() -> None:
    """Genes other than the target move too, so single targets scatter around log2(0.25) = -2; their median must not."""
    simulated = simulate.screen(n_perturbations=40, knockdown=0.25, effect_scale=0.2, seed=2)
    changes = [c for c in target_changes(pseudobulk(simulated.screen)) if c["measured"]]
    assert len(changes) == 32
    expressed = [c["log2_fold_change"] for c in changes if np.expm1(c["control_mean"]) > 3]
    assert np.median(expressed) == pytest.approx(-2, abs=0.35)
    other = pseudobulk(simulate.screen(n_perturbations=40, knockdown=1.0, effect_scale=0.2, seed=2).screen)
    unchanged = [c["log2_fold_change"] for c in target_changes(other) if c["measured"]]
    assert np.median(unchanged) == pytest.approx(0, abs=0.3)


def test_real_targets_go_down(data_dir) -> None:
    """Papalexi is a knock-out screen, Norman an activation screen."""
    from perturbridge.screens import read_screen

    for name, sign in (("papalexi2021_thp1_eccite", -1), ("adamson2016_mini", -1), ("norman2019_k562_crispra", 1)):
        changes = target_changes(pseudobulk(read_screen(data_dir / "screens" / f"{name}.h5ad")))
        measured = [c["log2_fold_change"] for c in changes if c["measured"]]
        assert measured
        assert all(sign * change > 0 for change in measured), name
