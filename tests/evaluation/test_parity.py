"""Numbers of other evaluators on the same cells: scPertEval, and cell-eval2's correction of the squared error by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perturbridge.evaluation import ALIASES, PredictedCells, Scorer, to_frame
from perturbridge.values import ContextTable, Effects, Prediction, as_names

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def case():
    data = json.loads((GOLDEN / "scperteval.json").read_text(encoding="utf-8"))
    n, control = len(data["perturbations"]), np.array(data["control_mean"])
    effects = Effects(
        perturbations=as_names(data["perturbations"]),
        genes=tuple(data["genes"]),
        delta=np.array(data["real_mean"]) - control,
        n_cells=np.full(n, data["n_cells"]),
        control_mean=control,
        variance=np.array(data["real_variance"]),
        contexts=ContextTable(
            names=("all",),
            n_perturbed=np.full((n, 1), data["n_cells"]),
            n_control=np.array([30]),
            control_mean=control[None],
            control_variance=np.ones((1, len(control))),
        ),
    )
    prediction = Prediction(
        perturbations=effects.perturbations,
        genes=effects.genes,
        delta=np.array(data["pred_mean"]) - control,
        status=("predicted",) * n,
        detail=("",) * n,
        model="m",
    )
    return data, effects, prediction


@pytest.mark.parametrize("theirs", ["nir", "rank", "wmse_exp2", "pearson_ctrl", "r2_ctrl"])
def test_scperteval_gives_the_same(case, theirs):
    """Under its names; it keeps target genes and reads cells in float32."""
    data, effects, prediction = case
    scorer = Scorer(effects, prediction.perturbations, train=None, exclude_targets=False)
    table = scorer.score(prediction, metrics=[theirs])
    assert set(table.metric.tolist()) == {ALIASES[theirs]}
    np.testing.assert_allclose(table.value, data["scores"][theirs], atol=2e-6, rtol=0)


@pytest.mark.parametrize("theirs", ["pearson_pert", "r2_pert"])
def test_scperteval_gives_the_same_against_the_mean_of_the_others(case, theirs):
    """Its reference is the mean of all other scored perturbations, ours that of the training ones: here they are made the same."""
    data, effects, prediction = case
    names = effects.perturbations
    for i, name in enumerate(names):
        own = replace(
            prediction,
            perturbations=(name,),
            delta=prediction.delta[[i]],
            status=("predicted",),
            detail=("",),
            in_training=(),
        )
        scorer = Scorer(effects, [name], train=[other for other in names if other != name], exclude_targets=False)
        assert scorer.score(own, metrics=[theirs]).value[0] == pytest.approx(data["scores"][theirs][i], abs=2e-6)


def test_unbiased_squared_error_takes_both_sides_noise_off(case):
    """(‖pred − real‖² − Σ var_pred / n_pred − Σ var_real / n_real) / G, as cell-eval2 `expr_mse_unbiased` for log-normalized cells."""
    _, effects, prediction = case
    rng = np.random.default_rng(0)
    cells = PredictedCells(n_cells=np.full(6, 10), variance=rng.uniform(0.5, 1.0, size=prediction.delta.shape))
    scorer = Scorer(effects, prediction.perturbations, train=None)
    found = to_frame(scorer.score(prediction, metrics=["expr_mse_unbiased"], cells=cells))["value"]
    for i in range(6):
        squared = np.sum((prediction.delta[i] - effects.delta[i]) ** 2)
        noise = np.sum(cells.variance[i] / 10) + np.sum(effects.variance[i] / effects.n_cells[i])
        assert found[i] == pytest.approx((squared - noise) / 20, rel=1e-12)
