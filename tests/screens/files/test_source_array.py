from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from perturbridge.errors import DataError
from perturbridge.screens import ArraySource


def counts(seed: int = 0, shape: tuple[int, int] = (9, 7)) -> np.ndarray:
    return np.random.default_rng(seed).poisson(0.7, size=shape).astype(np.float32)


def dense_of(chunk, n_genes: int) -> np.ndarray:
    return sparse.csr_matrix((chunk.data, chunk.indices, chunk.indptr), shape=(chunk.n_rows, n_genes)).toarray()


@given(st.integers(0, 50), st.integers(0, 9), st.integers(0, 9), st.sampled_from(["csr_matrix", "csr_array", "dense"]))
def test_rows_are_those_of_the_matrix(seed, a, b, form):
    x = counts(seed)
    start, stop = min(a, b), max(a, b)
    source = ArraySource(x if form == "dense" else getattr(sparse, form)(x))
    chunk = source.read_rows(start, stop)
    assert chunk.start == start
    assert chunk.indptr[0] == 0
    np.testing.assert_array_equal(dense_of(chunk, 7), x[start:stop])
    assert np.all(chunk.data != 0) or form != "dense"


def test_row_ends_count_stored_values():
    x = counts()
    np.testing.assert_array_equal(ArraySource(sparse.csr_matrix(x)).row_ends(), np.cumsum((x != 0).sum(axis=1)))
    assert ArraySource(x).row_ends() is None


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "u4", "?", "f2", "f4", "f8", ">f4", ">i8", ">f8"])
@pytest.mark.parametrize("sparse_form", [True, False])
def test_every_number_type_comes_out_as_exact_native_float(dtype, sparse_form):
    x = (counts() > 0).astype(dtype) if dtype in ("?", "u1") else (counts() * 1000).astype(dtype)
    held = x
    if sparse_form:
        held = sparse.csr_matrix(x.astype(x.dtype.newbyteorder("=")).astype("f8"))
        held.data = held.data.astype(dtype)
    chunk = ArraySource(held).read_rows(0, 9)
    assert chunk.data.dtype in (np.float32, np.float64)
    assert chunk.data.dtype.isnative
    np.testing.assert_array_equal(dense_of(chunk, 7), x.astype("f8"))


def test_large_integers_are_not_rounded():
    x = np.array([[2**24 + 1, 0]], dtype=np.int32)
    assert ArraySource(x).read_rows(0, 1).data[0] == 2**24 + 1
    with pytest.raises(DataError, match=r"more than a count can be"):
        ArraySource(np.array([[2**60 + 1]])).read_rows(0, 1)


def test_unsorted_rows_come_out_sorted():
    x = sparse.csr_matrix((np.array([5.0, 3.0, 2.0]), np.array([4, 1, 0]), np.array([0, 2, 3])), shape=(2, 5))
    chunk = ArraySource(x).read_rows(0, 2)
    assert chunk.indices.tolist() == [1, 4, 0]
    assert chunk.data.tolist() == [3.0, 5.0, 2.0]


def broken(**parts) -> sparse.csr_matrix:
    x = sparse.csr_matrix(counts())
    for name, value in parts.items():
        setattr(x, name, value)
    return x


def with_entry(array: np.ndarray, position: int, value) -> np.ndarray:
    changed = array.copy()
    changed[position] = value
    return changed


X = sparse.csr_matrix(counts())
CELL = int(np.searchsorted(X.indptr, 10, side="right")) - 1
GENE = int(X.indices[10])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"indices": with_entry(X.indices, 10, 7)},
            rf"1 gene indices lie outside 0..6, the first is 7 in cell 'c{CELL}'",
        ),
        (
            {"indices": with_entry(X.indices, 10, -1)},
            rf"1 gene indices lie outside 0..6, the first is -1 in cell 'c{CELL}'",
        ),
        ({"indices": with_entry(X.indices, 10, 2**31 - 1)}, "the first is 2147483647"),
        ({"indices": X.indices.astype(float)}, "Gene indices are of type float64"),
        (
            {"data": with_entry(X.data, 10, np.nan)},
            rf"1 values are NaN or infinite among cells 0 to 8, the first in cell 'c{CELL}' \(row {CELL}\), gene 'g{GENE}'",
        ),
        ({"data": with_entry(X.data, 10, np.inf)}, "1 values are NaN or infinite"),
        ({"data": with_entry(X.data, 10, -np.inf)}, "1 values are NaN or infinite"),
        (
            {"data": with_entry(X.data, 10, -2)},
            rf"1 values are negative among cells 0 to 8, the first \(-2\) in cell 'c{CELL}' \(row {CELL}\), gene 'g{GENE}'",
        ),
        ({"data": X.data.astype(complex)}, "The values are of type complex128"),
    ],
)
def test_a_broken_row_names_count_cell_and_gene(parts, message):
    source = ArraySource(
        broken(**parts), cell_names=[f"c{i}" for i in range(9)], gene_names=[f"g{i}" for i in range(7)]
    )
    with pytest.raises(DataError, match=message):
        source.read_rows(0, 9)


@pytest.mark.parametrize(
    ("part", "value"),
    [("indices", 7), ("indices", -1), *(("data", v) for v in (np.nan, -np.nan, np.inf, -np.inf, -1e-30))],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_broken_entry_is_found_wherever_it_is(part, value, dtype):
    for position in range(X.nnz):
        changed = broken(data=X.data.astype(dtype))
        getattr(changed, part)[position] = value
        cell = int(np.searchsorted(X.indptr, position, side="right")) - 1
        with pytest.raises(DataError, match=rf"cell {cell}\b"):
            ArraySource(changed).read_rows(0, 9)
    largest = broken(data=np.full(X.nnz, np.finfo(dtype).max))
    largest.data[::2] = -0.0
    assert ArraySource(largest).read_rows(0, 9).data.max() == np.finfo(dtype).max


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_a_broken_dense_value_names_cell_and_gene(value):
    x = counts().astype(float)
    x[3, 5] = value
    source = ArraySource(x, cell_names=[f"c{i}" for i in range(9)], gene_names=[f"g{i}" for i in range(7)])
    with pytest.raises(DataError, match=r"cell 'c3' \(row 3\), gene 'g5'"):
        source.read_rows(2, 6)
    assert source.read_rows(0, 3).n_rows == 3


def test_a_gene_stored_twice_in_a_cell_is_refused():
    x = sparse.csr_matrix((np.ones(3), np.array([2, 1, 2]), np.array([0, 3])), shape=(1, 3))
    with pytest.raises(DataError, match=r"1 values are stored a second time .* cell 0, gene 2"):
        ArraySource(x).read_rows(0, 1)


def test_the_same_gene_at_the_end_of_one_cell_and_the_start_of_the_next_is_fine():
    x = sparse.csr_matrix((np.ones(2), np.array([2, 2]), np.array([0, 1, 2])), shape=(2, 3))
    assert ArraySource(x).read_rows(0, 2).indices.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("indptr", "message"),
    [
        (with_entry(X.indptr, 4, X.indptr[-1] + 5), "decreases at 1 places, the first after row 4"),
        (with_entry(X.indptr, 0, 1), "starts at 1 instead of 0"),
        (with_entry(X.indptr, -1, X.indptr[-1] + 1), "but .* values are stored"),
        (X.indptr[:-1], "expected 10 integers"),
        (X.indptr.astype(float), "float64, expected 10 integers"),
    ],
)
def test_broken_row_pointers_are_refused_at_once(indptr, message):
    with pytest.raises(DataError, match=message):
        ArraySource(broken(indptr=indptr))


def test_other_containers_and_ranges_are_refused():
    with pytest.raises(DataError, match=r"csc_matrix cannot be read by rows"):
        ArraySource(sparse.csc_matrix(counts()))
    with pytest.raises(DataError, match=r"1 axes"):
        ArraySource(np.zeros(3))
    source = ArraySource(counts())
    for start, stop in ((-1, 2), (3, 2), (0, 10)):
        with pytest.raises(DataError, match=r"there are 9"):
            source.read_rows(start, stop)


def test_the_caller_keeps_its_matrix():
    x = sparse.csr_matrix((np.array([5.0, 3.0]), np.array([4, 1]), np.array([0, 2])), shape=(1, 5))
    ArraySource(x).read_rows(0, 1)
    assert x.indices.tolist() == [4, 1]
