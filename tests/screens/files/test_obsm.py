"""Large coordinates stay in their file, whatever it holds them as, and read the same to the last bit."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import perturbridge._mapped as mapped
from perturbridge.screens import read_coordinates
from perturbridge.screens.files._obsm import read_obsm

FORMS = ("<f4", ">f4", "f8", "i2")


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(0, 100, size=(300, 4))


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(mapped, "_LARGE", 1)


@pytest.mark.parametrize("dtype", FORMS)
@pytest.mark.parametrize("stored", [{}, {"compression": "gzip"}])
def test_obsm(values, tmp_path, dtype, stored, monkeypatch):
    with h5py.File(tmp_path / "z.h5ad", "w") as file:
        file.create_dataset("obsm/X_pca", data=values.astype(dtype), **stored)
    before = read_obsm(tmp_path / "z.h5ad", "X_pca")
    assert not mapped.is_mapped(before)
    monkeypatch.setattr(mapped, "_LARGE", 1)
    after = read_obsm(tmp_path / "z.h5ad", "X_pca")
    assert mapped.is_mapped(after)
    assert after.dtype == before.dtype == np.float32
    assert np.array_equal(after, before)
    # In its own file where that holds what is asked for, else in a copy without a name.
    assert (getattr(after, "filename", None) is not None) == (dtype == "<f4" and not stored)


@pytest.mark.parametrize("dtype", FORMS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(values, tmp_path, dtype, order, monkeypatch):
    np.save(tmp_path / "z.npy", np.asarray(values.astype(dtype), order=order))
    before, _ = read_coordinates(tmp_path / "z.npy")
    monkeypatch.setattr(mapped, "_LARGE", 1)
    after, _ = read_coordinates(tmp_path / "z.npy")
    assert mapped.is_mapped(after)
    assert after.dtype == before.dtype == np.float32
    assert np.array_equal(after, before)


def test_the_file_may_be_replaced_while_it_is_read(values, tmp_path, tiny):
    np.save(tmp_path / "z.npy", values.astype(np.float32))
    held, _ = read_coordinates(tmp_path / "z.npy")
    np.save(tmp_path / "other.npy", np.zeros((1, 1), dtype=np.float32))
    (tmp_path / "other.npy").replace(tmp_path / "z.npy")
    assert np.array_equal(held, values.astype(np.float32))
