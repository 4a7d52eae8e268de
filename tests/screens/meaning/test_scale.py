from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy import sparse

from perturbridge.screens import ArraySource
from perturbridge.screens.files._source_csc import CscSource
from perturbridge.screens.meaning._scale import judge


def counts(n_cells=120, n_genes=200, mean=1.0, seed=0):
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.3, 3, size=(n_cells, 1))
    return rng.poisson(mean * depth * rng.gamma(1, 1, size=(1, n_genes))) + (np.arange(n_genes) == 0)


def per(x, total):
    return x / x.sum(axis=1, keepdims=True) * total


CASES = [
    ("counts", lambda x: x),
    ("counts", lambda x: np.minimum(x, 1)),
    ("counts", lambda x: x * 1000),
    ("log1p", lambda x: np.log1p(per(x, 1e4))),
    ("log1p", lambda x: np.log1p(per(x, 1e6))),
    ("log1p", lambda x: np.log1p(per(x, 1e4))[:, :20]),
    ("log2", lambda x: np.log2(1 + per(x, 1e4))),
    ("linear", lambda x: per(x, 1e4)),
    ("linear", lambda x: per(x, 1.0)),
    ("linear", lambda x: x * 1.37),
    ("mixed", lambda x: np.where(np.random.default_rng(0).random(x.shape) < 0.5, x, x * 0.9)),
    ("unusable", lambda x: x - x.mean(axis=0)),
    ("unusable", lambda x: np.where(np.arange(x.shape[1]) == 3, np.nan, x)),
    ("empty", lambda x: x * 0),
]


@pytest.mark.parametrize(("kind", "make"), CASES)
@pytest.mark.parametrize("form", ["dense", "csr", "csc"])
def test_what_the_values_are(kind, make, form, tmp_path):
    x = np.asarray(make(counts(mean=3.0)), dtype=np.float32)
    if form == "csc":
        if kind == "log2" or (kind == "linear" and x.max() < 20):
            kind = "log1p"  # only the totals of whole cells could tell, and a matrix by gene does not show them
        held = sparse.csc_matrix(x)
        with h5py.File(tmp_path / "a.h5", "w") as file:
            group = file.create_group("X")
            group.attrs["encoding-type"], group.attrs["shape"] = "csc_matrix", x.shape
            group["data"], group["indices"], group["indptr"] = held.data, held.indices, held.indptr
        source = CscSource(str(tmp_path / "a.h5"), "X", place="X")
    else:
        source = ArraySource(x if form == "dense" else sparse.csr_matrix(x))
    assert judge(source).kind == kind


@pytest.mark.parametrize("total", [4000, 10_000])
def test_the_library_size_behind_the_logarithm_is_found(total):
    assert judge(ArraySource(np.log1p(per(counts(), total)))).total == pytest.approx(total, rel=1e-6)
    assert judge(ArraySource(np.log1p(per(counts(), total))[:, :50])).total == 0


def test_a_few_fractions_among_counts_are_still_counts():
    x = counts().astype(float)
    x[5] *= 1.01
    assert judge(ArraySource(x)).kind == "counts"


def test_whole_numbers_outweigh_what_the_file_says():
    judgment = judge(ArraySource(counts()), logged=True)
    assert judgment.kind == "counts"
    assert 'uns["log1p"]' in judgment.evidence


def test_cells_at_the_end_of_a_file_are_looked_at():
    x = counts(n_cells=5000).astype(float)
    x[2500:] = np.log1p(x[2500:])
    assert judge(ArraySource(x)).kind != "counts"
