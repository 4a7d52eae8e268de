"""Counts in a layer and their logarithm in X: cells in which the two differ are named."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from perturbridge.screens import read_screen


def make_adata(*, n_cells=60, n_genes=40, seed=2):
    counts = np.random.default_rng(seed).poisson(2.0, size=(n_cells, n_genes)).astype(np.float32)
    logs = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    adata = ad.AnnData(sp.csr_matrix(logs), layers={"counts": sp.csr_matrix(counts)})
    adata.obs["perturbation"] = np.where(
        np.arange(n_cells) % 3 == 0, "control", np.where(np.arange(n_cells) % 3 == 1, "A1", "B1")
    )
    return adata


def found(adata):
    return [f for f in read_screen(adata).findings if f.code == "matrices_differ"]


def test_one_story_is_no_finding():
    assert found(make_adata()) == []


@pytest.mark.parametrize("change", ["value", "missing"])
def test_cells_that_differ_are_counted_and_the_first_named(change):
    adata = make_adata()
    logs = adata.X.toarray()
    for cell in (17, 41):
        gene = int(np.argmax(logs[cell]))
        logs[cell, gene] = 0.0 if change == "missing" else logs[cell, gene] + 0.3
    adata.X = sp.csr_matrix(logs)
    (finding,) = found(adata)
    assert (finding.count, finding.example, finding.level) == (2, "17", "warning")


def test_another_normalization_is_no_fault():
    adata = make_adata()
    adata.X = sp.csr_matrix(np.sqrt(adata.layers["counts"].toarray()))
    assert found(adata) == []


def test_order_of_genes_within_a_cell_does_not_matter():
    adata = make_adata()
    matrix = adata.X
    for row in range(matrix.shape[0]):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        matrix.indices[part] = matrix.indices[part][::-1].copy()
        matrix.data[part] = matrix.data[part][::-1].copy()
    matrix.has_sorted_indices = False
    assert found(adata) == []


def test_the_two_cells_of_the_norman_file(data_dir):
    screen = read_screen(data_dir / "screens" / "norman2019_k562_crispra.h5ad")
    (finding,) = [f for f in screen.findings if f.code == "matrices_differ"]
    assert finding.count == 2
