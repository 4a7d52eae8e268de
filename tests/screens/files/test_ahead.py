"""The hint asks for the bytes of the cells that come next, whatever lies how in the file, and changes nothing else."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest

from perturbridge.screens.files._ahead import WIDEST_SPAN, ask_ahead
from perturbridge.screens.files._h5 import uncached

N, CHUNK = 10_000, 512


@pytest.fixture
def asked(monkeypatch):
    """Stretches of a file that were asked for."""
    if not hasattr(os, "posix_fadvise"):
        pytest.skip("this system takes no such hint")
    found = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, offset, size, __: found.append((offset, size)))
    return found


def written(path, how):
    values = np.arange(N, dtype=np.int32)
    with h5py.File(path, "w") as file:
        if how == "contiguous":
            file["x"] = values
            return
        packed = {"compression": "gzip"} if how == "gzip" else {}
        made = [file.create_dataset(name, (N,), np.int32, chunks=(CHUNK,), **packed) for name in ("x", "y")]
        starts = list(range(0, N, CHUNK))
        order = {"backwards": starts[::-1], "shuffled": list(np.random.default_rng(0).permutation(starts))}.get(
            how, starts
        )
        for at in order:
            for array in made if how == "in turn" else made[:1]:
                array[at : at + CHUNK] = values[at : at + CHUNK]


@pytest.mark.parametrize("how", ["contiguous", "chunked", "in turn", "backwards", "shuffled", "gzip"])
@pytest.mark.parametrize(("low", "high"), [(0, N), (700, 701), (511, 5_000), (5_000, N), (CHUNK, 2 * CHUNK)])
def test_all_bytes_of_the_entries_are_asked_for_and_few_others(tmp_path, asked, how, low, high):
    written(tmp_path / "x.h5", how)
    with h5py.File(tmp_path / "x.h5") as file:
        ask_ahead(file["x"], low, high)
        if how == "contiguous":
            assert asked == [(file["x"].id.get_offset() + 4 * low, 4 * (high - low))]
            return
        chunks = [file["x"].id.get_chunk_info(i) for i in range(file["x"].id.get_num_chunks())]
    wanted = [chunk for chunk in chunks if chunk.chunk_offset[0] + CHUNK > low and chunk.chunk_offset[0] < high]
    for chunk in wanted:
        assert any(at <= chunk.byte_offset and chunk.byte_offset + chunk.size <= at + size for at, size in asked)
    assert sum(size for _, size in asked) <= WIDEST_SPAN * max(c.size for c in chunks) * len(wanted)
    assert (len(asked) == 1) or how in {"backwards", "shuffled", "gzip"}


def test_a_hint_that_cannot_be_given_is_no_error(tmp_path, asked, monkeypatch):
    written(tmp_path / "x.h5", "chunked")
    with h5py.File(tmp_path / "x.h5") as file:
        ask_ahead(file["x"], 5, 5)
        ask_ahead(np.arange(3), 0, 3)
        (tmp_path / "x.h5").rename(tmp_path / "moved.h5")
        ask_ahead(file["x"], 0, 9)
        monkeypatch.delattr(os, "posix_fadvise")
        ask_ahead(file["x"], 0, 9)
    assert asked == []


@pytest.mark.parametrize("how", ["contiguous", "chunked", "shuffled", "gzip"])
def test_chunks_that_are_stored_as_they_are_skip_the_cache(tmp_path, how):
    written(tmp_path / "x.h5", how)
    with h5py.File(tmp_path / "x.h5") as file:
        array = uncached(file, "x")
        assert np.array_equal(array[3:9_000], np.arange(3, 9_000))
        cache = array.id.get_access_plist().get_chunk_cache()[1]
        assert (cache == 0) == (how in {"chunked", "shuffled"})
