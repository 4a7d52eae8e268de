"""Predicted cells are checked when they are made."""

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.values import PredictedCells


def make(**changes):
    given = {
        "perturbations": ("A", "A+B"),
        "z": np.zeros((4, 2)),
        "codes": [0, 0, 1, 1],
        "controls": [5, 6, 5, 6],
        "context": None,
        "status": ("predicted", "no_embedding"),
        "detail": ("", "x"),
        "in_training": (False, True),
        "radius": [1.0, np.inf],
        "level": 0.9,
    }
    return PredictedCells(**(given | changes))


def test_a_whole_record():
    cells = make(genes=("g",), expression=np.ones((4, 1)), expression_is="means", library_size=np.ones(4))
    assert cells.n_cells == 4
    assert cells.z.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes": [0, 0, 1, 2]}, "4 predicted cells of 2"),
        ({"status": ("predicted", "guessed")}, "guessed"),
        ({"detail": ("",)}, r"\[1, 2\] rows"),
        ({"controls": [1]}, "controls has shape"),
        ({"expression": np.ones((4, 3)), "genes": ("g",)}, "expression has shape"),
        ({"expression_is": "raw"}, "expression_is"),
        ({"z": np.full((4, 2), np.nan)}, "NaN"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        make(**changes)
