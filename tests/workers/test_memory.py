"""Sizes as people write them, and ranges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perturbridge.errors import DataError
from perturbridge.workers import Forecast, as_bytes, resident, row_ranges


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("4GB", 4 * 10**9),
        ("4 gb", 4 * 10**9),
        ("0.5GiB", 2**29),
        ("1e", None),
        ("500MB", 5 * 10**8),
        (1000, 1000),
        ("7", 7),
    ],
)
def test_sizes(said: str | int, meant: int | None) -> None:
    if meant is None:
        with pytest.raises(DataError, match="is no size"):
            as_bytes(said)
    else:
        assert as_bytes(said) == meant


@pytest.mark.parametrize("wrong", ["", "GB", "-4GB", "0", "4XB", "four"])
def test_what_is_no_size_is_refused(wrong: str) -> None:
    with pytest.raises(DataError, match="is no size"):
        as_bytes(wrong)


@given(st.integers(0, 1000), st.integers(1, 60), st.integers(0, 50))
def test_ranges_cover_every_row_once(n: int, parts: int, start: int) -> None:
    ranges = row_ranges(n, parts, start=start)
    assert [row for low, high in ranges for row in range(low, high)] == list(range(start, start + n))
    assert len(ranges) <= parts
    sizes = [high - low for low, high in ranges]
    assert not sizes or max(sizes) - min(sizes) <= 1


def test_resident_memory_grows_with_what_is_held() -> None:
    before = resident()
    held = np.ones(40_000_000)
    assert 300e6 < resident() - before < 400e6
    assert held[0] == 1.0


def test_a_forecast_adds_up_and_says_so() -> None:
    told = Forecast(
        step="Pseudo-bulk", parts={"sums": 2 * 10**9, "labels": 10**8}, budget=4 * 10**9, notes=("2 passes.",)
    )
    assert told.total == 21 * 10**8
    assert told.sentence() == "Pseudo-bulk: about 2.10 GB of 4.00 GB of memory (sums 2.00 GB, labels 100 MB). 2 passes."
