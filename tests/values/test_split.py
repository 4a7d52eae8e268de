"""Splits: disjoint by construction, hashed by content."""

from __future__ import annotations

import json

import pytest

from perturbridge.errors import DataError, LeakageError
from perturbridge.values import Fold, Split


def make_split(test=("C",)):
    return Split(
        kind="perturbation", seed=1, folds=(Fold(name="0", train=("A", "B"), test=test, strata=("x",) * len(test)),)
    )


def test_json_round_trip_keeps_the_hash():
    split = make_split()
    again = Split.from_json(json.loads(json.dumps(split.as_json())))
    assert again.hash == split.hash
    assert len(split.hash) == 64
    assert make_split(test=("D",)).hash != split.hash


def test_overlap_is_leakage():
    with pytest.raises(LeakageError, match=r"trains and tests on the same 1 perturbations, the first is A\+B"):
        Fold(name="0", train=("B+A", "C"), test=("A+B",))


@pytest.mark.parametrize(
    "bad", [{}, {"kind": "k", "seed": 0, "folds": [{"name": "0"}]}, {"kind": "k", "seed": "x", "folds": []}, []]
)
def test_what_is_not_a_split_is_refused(bad):
    with pytest.raises(DataError):
        Split.from_json(bad)


def test_an_empty_side_is_refused():
    with pytest.raises(DataError, match="has 0 training and 1 test"):
        Fold(name="0", train=(), test=("A",))
