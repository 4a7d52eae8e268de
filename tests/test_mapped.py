"""Arrays on disk read like arrays in memory, a stretch at a time."""

from __future__ import annotations

import os

import numpy as np
import pytest

import perturbridge._mapped as mapped
from perturbridge.errors import DataError


@pytest.fixture
def tiny(monkeypatch):
    """Maps from one byte on, and stretches of 600 bytes."""
    monkeypatch.setattr(mapped, "_LARGE", 1)
    monkeypatch.setattr(mapped, "_STRETCH", 600)


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(1000, 5)).astype(np.float32)


def test_stretches_and_rows_of_a_map_are_those_of_the_array(values, tmp_path, tiny):
    np.save(tmp_path / "z.npy", values)
    held = np.load(tmp_path / "z.npy", mmap_mode="r")
    view = np.asarray(held)[:, :]
    assert mapped.is_mapped(held)
    assert mapped.is_mapped(view)
    assert not mapped.is_mapped(values)
    parts = [(start, part.copy()) for start, part in mapped.stretches(view)]
    assert len(parts) == 34
    assert [start for start, _ in parts] == [30 * i for i in range(34)]
    assert np.array_equal(np.concatenate([part for _, part in parts]), values)
    assert [part is values for _, part in mapped.stretches(values)] == [True]
    rows = np.flatnonzero(np.random.default_rng(1).random(1000) < 0.1)
    assert np.array_equal(mapped.take_rows(view, rows), values[rows])
    assert np.array_equal(mapped.take_rows(values, rows), values[rows])


def test_room_keeps_what_was_written_when_its_memory_is_given_back(values, tiny):
    out = mapped.room(values.shape, np.float32)
    assert mapped.is_mapped(out)
    out[:] = values
    mapped.give_back(out)
    assert np.array_equal(out, values)


def test_small_room_lies_in_memory(values):
    assert not mapped.is_mapped(mapped.room(values.shape, np.float32))


def test_changes_of_a_private_map_are_never_dropped(values, tmp_path, tiny):
    np.save(tmp_path / "z.npy", values)
    private = np.load(tmp_path / "z.npy", mmap_mode="c")
    private[0, 0] = 7
    assert not mapped.is_mapped(private)
    mapped.give_back(private)
    assert [part[0, 0] for _, part in mapped.stretches(private)] == [7]
    assert private[0, 0] == 7


def test_a_full_disk_is_told_before_anything_is_written(tiny, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match=r"0\.00 GB of temporary space in .* cannot be had: No space left") as error:
        mapped.room((10, 10), np.float32)
    assert "TMPDIR" in error.value.cure
