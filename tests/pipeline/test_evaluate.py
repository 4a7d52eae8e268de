"""Evaluation of predictions made anywhere: the rows, the references, the refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perturbridge.effects import MeanEffect
from perturbridge.errors import DataError, LeakageError
from perturbridge.pipeline import evaluate, json_ready
from perturbridge.values import Effects, as_names


@pytest.fixture
def effects():
    return Effects.from_delta(np.random.default_rng(0).normal(size=(8, 12)), perturbations=[f"P{i}" for i in range(8)])


def predicted(effects, names, *, model="mine"):
    return replace(MeanEffect().fit(effects.take(as_names(["P6", "P7"]))).predict(as_names(names)), model=model)


def test_what_is_not_predicted_is_the_training_reference(effects):
    """The mean baseline must be that of the other perturbations, so its RMSE is known by hand."""
    table = evaluate([predicted(effects, ["P0", "P1"])], effects)
    rows = (table.model == "mean") & (table.metric == "rmse") & (table.perturbation == "P0")
    expected = np.sqrt(((effects.delta[0] - effects.delta[2:].mean(axis=0)) ** 2).mean())
    np.testing.assert_allclose(table.value[rows], expected)
    named = evaluate([predicted(effects, ["P0", "P1"])], effects, train=["P2", "P3"])
    rows = (named.model == "mean") & (named.metric == "rmse") & (named.perturbation == "P0")
    np.testing.assert_allclose(
        named.value[rows], np.sqrt(((effects.delta[0] - effects.delta[2:4].mean(axis=0)) ** 2).mean())
    )


def test_refusals(effects):
    with pytest.raises(DataError, match="no prediction"):
        evaluate([], effects)
    with pytest.raises(DataError, match="differ in 2 perturbations, the first is P1"):
        evaluate([predicted(effects, ["P0", "P1"]), predicted(effects, ["P0", "P2"], model="other")], effects)
    with pytest.raises(DataError, match="All 8 measured perturbations are predicted"):
        evaluate([predicted(effects, [f"P{i}" for i in range(8)])], effects)
    with pytest.raises(LeakageError, match="P0"):
        evaluate([predicted(effects, ["P0"])], effects, train=["P0", "P1"])


def test_json_has_no_nan():
    assert json_ready({"a": [np.float64("nan"), np.int64(3)], "b": np.array([1.5, np.inf]), "c": None}) == {
        "a": [None, 3],
        "b": [1.5, None],
        "c": None,
    }
