"""Predictions and score tables refuse what does not fit together."""

from __future__ import annotations

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.values import Prediction, ScoreTable


def test_unknown_status_is_refused():
    with pytest.raises(DataError, match=r"unknown statuses: \['guessed'\]"):
        Prediction(perturbations=("A",), genes=("g",), delta=[[0.0]], status=("guessed",), detail=("",), model="m")


def test_bounds_have_the_shape_of_delta():
    with pytest.raises(DataError, match=r"lower has shape \(1, 2\), expected \(1, 1\)"):
        Prediction(
            perturbations=("A",),
            genes=("g",),
            delta=[[0.0]],
            status=("predicted",),
            detail=("",),
            model="m",
            lower=np.zeros((1, 2)),
        )


def table(split_hash="a", n=1):
    text = np.array(["x"] * n)
    return ScoreTable(
        model=text,
        fold=text,
        perturbation=text,
        stratum=text,
        metric=text,
        status=text,
        value=np.zeros(n),
        n_cells=np.ones(n, dtype=np.int64),
        split_hash=split_hash,
    )


def test_tables_of_two_splits_are_not_joined():
    assert len(ScoreTable.join([table(), table(n=2)]).value) == 3
    with pytest.raises(DataError, match="2 score tables come from 2 splits"):
        ScoreTable.join([table("a"), table("b")])


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(DataError, match="differ in length"):
        ScoreTable(**{**table().columns(), "value": np.zeros(2)})
