"""A latent cannot be wrong, and its fingerprint is its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.values import FittedStep, Labels, Latent


def latent(**more):
    return Latent(**{"z": np.arange(12.0).reshape(6, 2), **more})


def labels(column="gem_group", n=6):
    return Labels(column=column, categories=("a", "b"), codes=np.arange(n) % 2)


def test_rows_are_counted_where_no_cells_are_named():
    assert latent().cells.tolist() == [0, 1, 2, 3, 4, 5]
    assert (latent().n_cells, latent().n_dims) == (6, 2)


def test_coordinates_cannot_be_written_over():
    with pytest.raises(ValueError, match="read-only"):
        latent().z[0, 0] = 1


@pytest.mark.parametrize(
    "change",
    [
        {"z": np.arange(12.0).reshape(6, 2) + 1e-3},
        {"cells": np.arange(1, 7)},
        {"split_hash": "b" * 64},
        {"z": np.arange(12.0).reshape(4, 3), "cells": np.arange(4)},
    ],
)
def test_anything_that_matters_changes_the_fingerprint(change):
    assert latent(**change).fingerprint != latent().fingerprint


def test_a_name_does_not_change_the_fingerprint():
    assert replace(latent(), name="other").fingerprint == latent().fingerprint


def test_labels_are_found_by_role_and_by_column():
    one = latent(labels={"context": labels()})
    assert one.column("context") is one.column("gem_group")
    with pytest.raises(DataError, match=r"no labels called 'gem_grp'.*'gem_group'"):
        one.column("gem_grp")
    with pytest.raises(DataError, match="carries none"):
        latent().column("context")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"z": np.zeros((0, 2))}, "0 cells"),
        ({"z": np.full((2, 2), np.inf)}, "NaN or infinite"),
        ({"cells": np.zeros(6, dtype=int)}, "5 cells that stand more than once"),
        ({"labels": {"context": labels(n=5)}}, "5 labels for the 6 cells"),
        ({"trained": np.ones(3, dtype=bool)}, "3 labels for the 6 cells"),
    ],
)
def test_what_is_wrong_is_told(more, message):
    with pytest.raises(DataError, match=message):
        latent(**more)


def test_a_step_says_which_rows():
    with pytest.raises(DataError, match="rows is 'some'"):
        FittedStep(name="scaling", rows="some")
