from __future__ import annotations

from itertools import pairwise

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from perturbridge.errors import DataError
from perturbridge.screens import pseudobulk, read_screen
from perturbridge.screens.files import _source_csc
from perturbridge.screens.files._source_csc import CscSource

SHAPE = (40, 13)


def write(path, matrix, *, dtype="f4"):
    x = sparse.csc_matrix(matrix)
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs["encoding-type"] = "csc_matrix"
        group.attrs["shape"] = x.shape
        group["data"], group["indices"], group["indptr"] = x.data.astype(dtype), x.indices, x.indptr
    return str(path)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    x = np.random.default_rng(0).poisson(0.6, size=SHAPE)
    x[:, 4] = 0
    x[7] = 0
    return x, write(tmp_path_factory.mktemp("csc") / "a.h5", x)


def dense_of(chunk):
    return sparse.csr_matrix((chunk.data, chunk.indices, chunk.indptr), shape=(chunk.n_rows, SHAPE[1])).toarray()


@given(
    budget=st.sampled_from([1, 64, 400, 10**6]),
    block=st.sampled_from([1, 3, 10, 10**6]),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_cells_are_the_same_for_every_band_block_and_order(stored, budget, block, cuts):
    x, path = stored
    kept = _source_csc._BLOCK
    _source_csc._BLOCK = block
    try:
        source = CscSource(path, "X", place="X", budget=budget)
        edges = [0, *cuts, 40]
        for start, stop in pairwise(edges):
            lo, hi = min(start, stop), max(start, stop)
            chunk = source.read_rows(lo, hi)
            assert chunk.start == lo
            np.testing.assert_array_equal(dense_of(chunk), x[lo:hi])
    finally:
        _source_csc._BLOCK = kept
    np.testing.assert_array_equal(source.row_ends(), np.cumsum((x != 0).sum(axis=1)))


def test_a_band_takes_no_more_than_its_budget(stored):
    x, path = stored
    source = CscSource(path, "X", place="X", budget=400)
    source.read_rows(0, 1)
    first, last, band = source._band
    assert first == 0
    assert 1 < last < 40
    assert band.nnz * 8 <= 400 < (x[: last + 1] != 0).sum() * 8
    assert source.n_passes == -(-int((x != 0).sum()) * 8 // 400)


@pytest.mark.parametrize("dtype", ["u1", "i4", "i8", "f8"])
def test_large_integers_are_not_rounded(tmp_path, dtype):
    x = np.zeros((3, 2))
    x[1, 1] = 255 if dtype == "u1" else 2**24 + 1
    chunk = CscSource(write(tmp_path / "a.h5", x, dtype=dtype), "X", place="X").read_rows(0, 3)
    assert chunk.data.tolist() == [x[1, 1]]


def damage(path, part, position, value):
    with h5py.File(path, "r+") as file:
        file[f"X/{part}"][position] = value


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("indices", 40, r"1 cell indices outside 0..39, the first is 40"),
        ("indices", -1, r"1 cell indices outside 0..39, the first is -1"),
        ("indptr", 10**6, "indptr of X in .* decreases"),
        ("data", np.nan, "1 values are NaN or infinite among cells 0 to 39, the first in cell"),
        ("data", -1.0, "1 values are negative"),
    ],
)
def test_broken_parts_are_refused(tmp_path, stored, part, value, message):
    path = write(tmp_path / "a.h5", stored[0])
    damage(path, part, 5, value)
    with pytest.raises(DataError, match=message):
        CscSource(path, "X", place="X").read_rows(0, 40)


def test_a_cell_stored_twice_for_a_gene_is_refused(tmp_path):
    x = sparse.csc_matrix((np.ones(3), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    with pytest.raises(DataError, match=r"stored a second time"):
        CscSource(write(tmp_path / "a.h5", x), "X", place="X").read_rows(0, 2)


def test_an_empty_matrix_has_empty_cells(tmp_path):
    source = CscSource(write(tmp_path / "a.h5", np.zeros((3, 2))), "X", place="X")
    assert source.read_rows(0, 3).indptr.tolist() == [0, 0, 0, 0]
    assert source.n_passes == 1


def test_effects_do_not_depend_on_the_layout(make_adata, write_h5ad):
    adata = make_adata()
    by_cell = read_screen(write_h5ad(adata, "csr.h5ad"))
    adata.X = sparse.csc_matrix(adata.X)
    by_gene = read_screen(write_h5ad(adata, "csc.h5ad"))
    assert "stored_by_gene" in [f.code for f in by_gene.findings]
    assert pseudobulk(by_gene, chunk_rows=7).fingerprint == pseudobulk(by_cell).fingerprint
