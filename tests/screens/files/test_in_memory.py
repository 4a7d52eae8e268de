from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from perturbridge.errors import DataError
from perturbridge.screens import pseudobulk, read_screen


@pytest.mark.parametrize(
    "form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csc_array, lambda x: x.toarray()]
)
def test_an_object_reads_as_its_file_does(make_adata, write_h5ad, form):
    adata = make_adata()
    adata.X = form(adata.X)
    held, stored = read_screen(adata), read_screen(write_h5ad(adata))
    assert pseudobulk(held).fingerprint == pseudobulk(stored).fingerprint
    assert held.perturbations == stored.perturbations
    np.testing.assert_array_equal(held.perturbation_codes, stored.perturbation_codes)
    assert held.context.categories == stored.context.categories
    assert held.source.path is None


def test_a_view_reads_as_its_copy(make_adata):
    adata = make_adata()
    view = adata[10:40, 2:9]
    assert pseudobulk(read_screen(view)).fingerprint == pseudobulk(read_screen(view.copy())).fingerprint


def test_a_backed_object_reads_its_file(make_adata, write_h5ad):
    from anndata import read_h5ad

    path = write_h5ad(make_adata())
    backed = read_h5ad(path, backed="r")
    screen = read_screen(backed)
    assert screen.source.path == str(path)
    assert pseudobulk(screen).fingerprint == pseudobulk(read_screen(path)).fingerprint
    with pytest.raises(DataError, match=r"view of a file. Pass adata.to_memory\(\)"):
        read_screen(backed[:10])
    backed.file.close()


def test_the_object_is_not_changed(make_adata):
    adata = make_adata()
    before = adata.copy()
    pseudobulk(read_screen(adata))
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    assert (adata.X != before.X).nnz == 0


@pytest.mark.parametrize(
    "values",
    [
        pd.Categorical(["ctrl", "A", None, "A"] * 12),
        pd.array(["ctrl", "A", None, "A"] * 12, dtype="string"),
        np.array(["ctrl", "A", None, "A"] * 12, dtype=object),
        np.array(["ctrl", "A", np.nan, "A"] * 12, dtype=object),
    ],
    ids=["categorical", "string", "object with None", "object with NaN"],
)
def test_labels_in_every_pandas_type(make_adata, values):
    adata = make_adata()
    adata.obs["condition"] = values
    screen = read_screen(adata)
    assert screen.perturbation_codes.tolist() == [-1, 0, -2, 0] * 12


def test_other_objects_are_refused():
    with pytest.raises(DataError, match=r"A screen cannot be read from a DataFrame"):
        read_screen(pd.DataFrame())
    with pytest.raises(DataError, match=r"cannot be read from a int"):
        read_screen(3)


def test_an_object_without_values_or_with_foreign_ones_is_refused(make_adata):
    adata = make_adata()
    adata.X = None
    with pytest.raises(DataError, match=r"holds no matrix"):
        read_screen(adata)


def test_broken_indices_by_gene_never_reach_a_kernel(make_adata):
    adata = make_adata()
    x = sparse.csc_matrix(adata.X)
    x.indices[3] = 10**6
    adata.layers["counts"] = x
    with pytest.raises(DataError, match=r"cell indices outside 0..47"):
        read_screen(adata, place="counts")


def test_empty_screens_are_refused(make_adata):
    adata = make_adata()
    for empty, message in ((adata[:0], "0 cells, 12 genes"), (adata[:, :0], "48 cells, 0 genes")):
        with pytest.raises(DataError, match=f"is empty: {message}"):
            read_screen(empty.copy())
