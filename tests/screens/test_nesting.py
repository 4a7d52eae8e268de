"""Plates in forms drawn at random, in the order of their names: one screen, the same values."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
from anndata import settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import io, sparse

from perturbridge.screens import pseudobulk, read_screen

from ._forms import GENES, N_CELLS, adata
from .test_forms import rows_of


def _files(plate, folder, name):
    place = folder / name
    place.mkdir()
    plate.obs.to_csv(place / "meta.csv")
    (place / "genes.tsv").write_text("\n".join(plate.var_names) + "\n")
    # With as many cells as genes the matrix is square, and the totals tell which side is which.
    plate.obs.assign(total_counts=np.asarray(plate.X.sum(axis=1)).ravel()).to_csv(place / "meta.csv")
    io.mmwrite(place / "X.mtx", sparse.coo_matrix(plate.X.T))


def _zarr(version):
    def write(plate, folder, name):
        with settings.override(zarr_write_format=version), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plate.write_zarr(folder / f"{name}.zarr")

    return write


def _h5ad(layout, **options):
    def write(plate, folder, name):
        plate.X = layout(plate.X)
        plate.write_h5ad(folder / f"{name}.h5ad", **options)

    return write


FORMS = {
    "by cell": _h5ad(sparse.csr_matrix),
    "by gene": _h5ad(sparse.csc_matrix, compression="gzip"),
    "dense": _h5ad(lambda x: x.toarray()),
    "zarr 2": _zarr(2),
    "zarr 3": _zarr(3),
    "text": _files,
}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("nested")


@hypothesis_settings(max_examples=12)
@given(
    forms=st.lists(st.sampled_from(sorted(FORMS)), min_size=2, max_size=4),
    cuts=st.sets(st.integers(1, N_CELLS // 4 - 1), min_size=3, max_size=3),
    orders=st.lists(st.permutations(range(len(GENES))), min_size=4, max_size=4),
)
def test_plates_of_any_forms_are_one_screen(scratch, forms, cuts, orders):
    shutil.rmtree(scratch)
    scratch.mkdir()
    whole = adata()
    del whole.obs["gem_group"]
    edges = [0, *(4 * cut for cut in sorted(cuts)[: len(forms) - 1]), N_CELLS]
    for i, (form, order) in enumerate(zip(forms, orders, strict=False)):
        plate = whole[edges[i] : edges[i + 1], (list(range(len(GENES))) if i == 0 else list(order))].copy()
        FORMS[form](plate, scratch, f"plate{i}")
    # Folders of text files are taken after files; their names keep the plates apart.
    inside = [i for i, form in enumerate(forms) if form != "text"] + [
        i for i, form in enumerate(forms) if form == "text"
    ]
    cells = np.concatenate([np.arange(edges[i], edges[i + 1]) for i in inside])
    screen = read_screen(scratch, context="none")
    position = [GENES.index(gene) for gene in screen.genes]
    np.testing.assert_array_equal(rows_of(screen), whole.X.toarray()[cells][:, position])
    labels = read_screen(whole, context="none")
    np.testing.assert_array_equal(screen.perturbation_codes, labels.perturbation_codes[cells])
    summed = pseudobulk(screen)
    expected = pseudobulk(labels)
    np.testing.assert_array_equal(summed.delta, expected.delta[:, position])
