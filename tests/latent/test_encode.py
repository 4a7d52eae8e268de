"""Encoding by ranges of cells: the same coordinates for any workers, in memory that does not grow with the cells."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import h5py
import numpy as np
import pytest

import perturbridge as pb
import perturbridge._mapped as mapped
from perturbridge.errors import FitError
from perturbridge.latent import Architecture, LatentModel, Training
from perturbridge.screens import read_latent, write_latent
from perturbridge.values import Labels, Normalization, PerturbationName, RowChunk, Screen

from .conftest import screen_of


@pytest.fixture
def short_reads(monkeypatch):
    """Ranges of 64 cells, so that a small screen has many."""
    monkeypatch.setattr("perturbridge.latent._encode.CELLS_PER_READ", 64)


@pytest.fixture(scope="module")
def workers():
    # Threads of a parent that has computed already do not survive a fork.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def on_file(screen, tmp_path):
    pb.write_screen(screen, tmp_path / "screen.h5ad")
    return pb.read_screen(tmp_path / "screen.h5ad")


def test_workers_encode_what_one_process_encodes(model, on_file, workers, short_reads):
    told = []
    one = model.encode(on_file)
    many = model.encode(on_file, client=workers, progress=lambda *done: told.append(done))
    assert np.abs(one.z - many.z).max() <= 1e-6
    assert told[-1] == (on_file.n_cells, on_file.n_cells)
    assert list(one.labels) == list(many.labels)
    assert (one.made_by, one.steps, one.findings) == (many.made_by, many.steps, many.findings)
    assert np.array_equal(one.cells, many.cells)
    refined = [model.encode(on_file, refine=3, client=client).z for client in (None, workers)]
    assert np.abs(refined[0] - refined[1]).max() <= 1e-6
    assert np.abs(refined[0] - one.z).max() > 1e-3


def test_values_in_memory_travel_to_workers_too(model, counts, screen, workers, short_reads):
    there = screen_of(counts, genes=screen.genes, like=screen)
    assert np.abs(model.encode(there).z - model.encode(there, client=workers).z).max() <= 1e-6


def test_dask_and_the_same_faults(model, on_file, short_reads):
    distributed = pytest.importorskip("distributed")
    other = screen_of(
        np.zeros((80, 50)), genes=on_file.genes, context=Labels("context", ("new",), np.zeros(80, dtype=np.int32))
    )
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        assert np.abs(model.encode(on_file).z - model.encode(on_file, client=client).z).max() <= 1e-6
        # Counted over all cells, not over those of the range that met them first.
        with pytest.raises(FitError, match="80 of 80 cells are in a context that was not seen"):
            model.encode(other, client=client)


def test_ranges_change_nothing(model, screen, monkeypatch):
    """Cells are encoded a thousand at a time, however they are read."""
    monkeypatch.setattr("perturbridge.latent._encode.CELLS_AT_ONCE", 32)
    whole = model.encode(screen).z
    for reads in (32, 96):
        monkeypatch.setattr("perturbridge.latent._encode.CELLS_PER_READ", reads)
        assert np.array_equal(model.encode(screen).z, whole)


class Endless:
    """Any number of cells of three counts each, made as they are read."""

    description, path = "cells made as they are read", None

    def __init__(self, n_cells):
        self.shape = (n_cells, 40)

    def read_rows(self, start, stop):
        n = stop - start
        column = (np.arange(start, stop)[:, None] * 7 + np.array([0, 11, 23])) % 40
        indptr = np.arange(n + 1, dtype=np.int64) * 3
        return RowChunk(
            start, indptr, np.sort(column, axis=1).ravel().astype(np.int32), np.ones(3 * n, dtype=np.float32)
        )

    def row_ends(self):
        return np.arange(1, self.shape[0] + 1) * 3


def _endless(n_cells):
    rows = np.arange(n_cells)
    return Screen(
        source=Endless(n_cells),
        genes=tuple(f"g{i}" for i in range(40)),
        perturbations=(PerturbationName.of(["g1"]),),
        perturbation_codes=(rows % 3 == 0).astype(np.int32) - 1,
        normalization=Normalization(kind="counts", place="X"),
        context=Labels("context", ("a", "b"), (rows % 2).astype(np.int32)),
    )


def test_memory_does_not_grow_with_coordinates(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "_LARGE", 1 << 20)
    monkeypatch.setattr(mapped, "_STRETCH", 1 << 20)
    training = Training(epochs=1, batch_size=256, precision="fp32")
    model = LatentModel(architecture=Architecture(n_latent=32, n_hidden=8), training=training).fit(_endless(2000))
    # What is imported on the way is not what is measured.
    write_latent(model.encode(_endless(2000)), tmp_path / "z.h5ad")
    peaks = []
    for n in (40_000, 140_000):
        screen = _endless(n)
        tracemalloc.start()
        latent = model.encode(screen)
        write_latent(latent, tmp_path / "z.h5ad")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert mapped.is_mapped(latent.z)
        with h5py.File(tmp_path / "z.h5ad") as file:
            assert file["obsm/X_perturbridge"].shape == (n, 32)
        assert read_latent(tmp_path / "z.h5ad").fingerprint == latent.fingerprint
    # 128 bytes of coordinates for each cell; rows and labels take some tens.
    assert (peaks[1] - peaks[0]) / 100_000 < 60
