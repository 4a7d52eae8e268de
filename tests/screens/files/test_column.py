from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perturbridge.errors import DataError
from perturbridge.screens.files._column import column_of_categories, column_of_values, cross

texts = st.lists(st.sampled_from(["a", "b", "c", "", "nan"]), min_size=1, max_size=12)


def labels(column):
    return [column.labels[code] if code >= 0 else None for code in column.codes]


def wanted(values):
    return [None if value in ("", "nan") else value for value in values]


@given(texts)
def test_values_come_back(values):
    column = column_of_values("c", np.array(values, dtype=object))
    assert labels(column) == wanted(values)
    assert sum(column.counts) == sum(value is not None for value in wanted(values))
    grouping = column.as_grouping()
    assert list(grouping.categories) == sorted(set(grouping.categories))
    assert [grouping.categories[c] if c >= 0 else None for c in grouping.codes] == wanted(values)


def test_categories_that_read_alike_are_joined_and_unused_ones_are_no_level():
    column = column_of_categories("c", ["1", "1", "x", "nan"], np.array([0, 1, -1, 3, 0]))
    assert labels(column) == ["1", "1", None, None, "1"]
    assert column.n_levels == 1
    assert column.as_grouping().categories == ("1",)


@given(
    texts.flatmap(lambda a: st.tuples(st.just(a), st.lists(st.sampled_from("xyz"), min_size=len(a), max_size=len(a))))
)
def test_crossing_keeps_exactly_the_pairs(pair):
    left, right = pair
    both = cross(
        [column_of_values("l", np.array(left, dtype=object)), column_of_values("r", np.array(right, dtype=object))]
    )
    assert labels(both) == [None if a is None else f"{a} | {b}" for a, b in zip(wanted(left), right, strict=True)]
    assert both.n_levels == len(both.labels)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.permutations("wxyz"), st.integers(0, 3))
def test_same_groups_means_a_one_to_one_renaming(codes, names, merged):
    one = column_of_values("a", np.array(codes))
    other = column_of_values("b", np.array([names[c] for c in codes], dtype=object))
    assert one.same_groups(other)
    coarse = column_of_values("c", np.array([min(c, merged) for c in codes]))
    assert one.same_groups(coarse) == (len(set(codes)) == len({min(c, merged) for c in codes}))


@pytest.mark.parametrize("codes", [[0, 2], [0, -2], [0, 2**31 - 1]])
def test_codes_outside_the_categories_are_refused(codes):
    with pytest.raises(DataError, match=r"1 codes outside its 2 categories, the first is -?\d+ in row 1"):
        column_of_categories("c", ["a", "b"], np.array(codes))


@pytest.mark.parametrize(
    "values",
    [np.array([1j]), np.array([object()], dtype=object), np.array([b"\xff"]), np.array(["2020-01-01"], dtype="M8[D]")],
)
def test_values_that_are_no_labels_are_refused(values):
    with pytest.raises(DataError, match=r"expected UTF-8 text or numbers"):
        column_of_values("c", values)
