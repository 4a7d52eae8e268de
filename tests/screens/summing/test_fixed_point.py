"""Capacity of the integer sums, and merging."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from tests.screens._planted import planted

from perturbridge.errors import DataError
from perturbridge.screens import ArraySource, pseudobulk
from perturbridge.screens.summing._accumulate import accumulate
from perturbridge.screens.summing._fixed_point import SQUARE_SCALE, SUM_SCALE, Tally, largest_value, merge
from perturbridge.screens.summing._grouping import group_cells
from perturbridge.values import Normalization, Screen, as_names


def wide(n_cells: int, *, value: float, kind: str = "log1p", target_sum: float = 1e4) -> Screen:
    """One gene; every cell but two is a control."""
    matrix = sparse.csr_matrix(np.full((n_cells, 1), value, dtype=np.float32))
    codes = np.full(n_cells, -1, dtype=np.int32)
    codes[:2] = 0
    return Screen(
        source=ArraySource(matrix),
        genes=("g",),
        perturbations=as_names(["P"]),
        perturbation_codes=codes,
        normalization=Normalization(kind=kind, place="X", target_sum=target_sum),
    )


def limit(screen: Screen) -> float:
    return largest_value(screen, group_cells(screen, min_cells=1, on_few="raise"))


@pytest.mark.parametrize("n_cells", [3, 1000, 200_000])
def test_the_limit_is_where_int64_ends(n_cells: int) -> None:
    n = max(n_cells - 2, 2)
    value = limit(wide(n_cells, value=1.0))
    sums, squares = n * value * SUM_SCALE, n * value**2 * SQUARE_SCALE
    assert max(sums, squares) == pytest.approx(2.0**63)
    assert min(sums, squares) <= 2.0**63 * (1 + 1e-12)


def test_values_just_below_the_limit_are_summed_right() -> None:
    n_cells = 200_000
    value = np.nextafter(np.float32(limit(wide(n_cells, value=1.0))), np.float32(0))
    effects = pseudobulk(wide(n_cells, value=value))
    assert effects.control_mean[0] == pytest.approx(float(value), rel=1e-12)
    assert effects.variance[0, 0] == pytest.approx(0, abs=1e-6)


def test_a_value_beyond_the_limit_is_refused_with_its_place() -> None:
    screen = wide(200_000, value=1.0)
    screen.source.matrix.data[1234] = 2 * limit(screen)
    with pytest.raises(DataError, match=r"The value [\d.]+ \(cell 1234, gene 'g'\) is larger than"):
        pseudobulk(screen)


def test_counts_are_checked_before_a_cell_is_read() -> None:
    """log1p(target_sum) bounds every value, so the largest group alone decides."""
    target_sum = np.expm1(0.99 * limit(wide(200_000, value=1.0)))
    pseudobulk(wide(200_000, value=1.0, kind="counts", target_sum=target_sum))
    with pytest.raises(DataError, match="One group of the screen has 199998 cells, its sums hold at most"):
        pseudobulk(wide(200_000, value=1.0, kind="counts", target_sum=target_sum**1.1))


def test_a_cell_cannot_be_summed_twice() -> None:
    screen = planted(0).screen()
    grouping = group_cells(screen, min_cells=2, on_few="raise")
    first, second = (accumulate(screen, grouping, start=a, stop=b) for a, b in ((0, 500), (499, 900)))
    with pytest.raises(DataError, match="Cell 499 was summed twice"):
        merge(first, second)


def test_sums_of_different_screens_do_not_merge() -> None:
    parts = []
    for n_genes in (30, 31):
        screen = planted(0, n_genes=n_genes).screen()
        parts.append(accumulate(screen, group_cells(screen, min_cells=2, on_few="raise"), stop=10))
    with pytest.raises(DataError, match="different screens"):
        merge(*parts)


def test_merging_leaves_its_parts_alone() -> None:
    screen = planted(0).screen()
    grouping = group_cells(screen, min_cells=2, on_few="raise")
    first, second = (accumulate(screen, grouping, start=a, stop=b) for a, b in ((0, 500), (500, 900)))
    before = first.sums.copy()
    whole = merge(first, second)
    np.testing.assert_array_equal(first.sums, before)
    np.testing.assert_array_equal(whole.sums, first.sums + second.sums)
    assert whole.spans == ((0, 900),)


def test_tallies_add_up() -> None:
    assert Tally.of(np.array([7, 3])) + Tally() + Tally.of(np.array([5])) == Tally(3, 3)
    assert Tally.of(np.array([], dtype=int)) == Tally(0, -1)


def test_negative_log1p_values_from_another_source_are_summed_too() -> None:
    """Our own sources refuse them; the sums themselves have no sign."""

    class Signed(ArraySource):
        def read_rows(self, start, stop):
            chunk = super().read_rows(start, stop)
            return replace(chunk, data=-chunk.data)

    data = planted(0, kind="log1p")
    screen = data.screen()
    mirrored = replace(screen, source=Signed(screen.source.matrix))
    np.testing.assert_allclose(pseudobulk(mirrored).delta, -pseudobulk(screen).delta, atol=1e-12)
