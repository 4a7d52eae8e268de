"""Cells without the question of their perturbation: columns, coordinates in every form, counts or none."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from perturbridge.errors import DataError
from perturbridge.screens import control_cells, log_rows, open_cells, read_coordinates
from perturbridge.values import Labels

Z = np.arange(12, dtype=np.float32).reshape(6, 2)


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {"batch": pd.Categorical(list("aabbab")), "lane": [1, 2, 1, 2, 1, 2], "condition": ["ctrl", "TP53"] * 3},
        index=[f"c{i}" for i in range(6)],
    )
    made = ad.AnnData(X=sparse.csr_matrix(rng.poisson(2.0, size=(6, 5)).astype(np.float32)), obs=obs)
    made.obsm["X_dense"] = Z
    made.obsm["X_csr"] = sparse.csr_matrix(Z)
    made.obsm["X_csc"] = sparse.csc_matrix(Z)
    made.obsm["X_frame"] = pd.DataFrame(Z, index=obs.index, columns=["a", "b"])
    made.obsm["X_flat"] = Z[:, :1]
    return made


@pytest.fixture
def path(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


@pytest.mark.parametrize("key", ["X_dense", "X_csr", "X_csc", "X_frame"])
def test_every_form_of_obsm_reads_the_same_from_file_and_memory(key, adata, path):
    for source in (adata, path):
        cells = open_cells(source)
        assert set(cells.keys) == set(adata.obsm)
        np.testing.assert_array_equal(cells.coordinates(key), Z)


def test_columns_alone_or_joined(path):
    cells = open_cells(path)
    assert cells.labels("batch", role="context").codes.tolist() == [0, 0, 1, 1, 0, 1]
    assert cells.labels("batch,lane", role="context").categories == ("a | 1", "a | 2", "b | 1", "b | 2")
    assert cells.likely("context") == ("batch", "lane")
    with pytest.raises(DataError, match=r"no cell column 'bach'.*'batch'"):
        cells.labels("bach", role="context")


@pytest.mark.parametrize("drop", ["X", "var"])
def test_a_file_without_a_matrix_still_has_labels_and_coordinates(drop, path):
    with h5py.File(path, "r+") as file:
        del file["X"]
        if drop == "var":
            del file["var"]
    cells = open_cells(path)
    np.testing.assert_array_equal(cells.coordinates("X_dense"), Z)
    assert cells.labels("batch", role="context").categories == ("a", "b")
    with pytest.raises(DataError, match="--rep"):
        cells.screen()


def test_an_object_without_a_matrix_too(adata):
    bare = ad.AnnData(obs=adata.obs, obsm={"X_dense": Z})
    np.testing.assert_array_equal(open_cells(bare).coordinates("X_dense"), Z)


def test_log_rows_are_the_formula_in_any_stretch(adata):
    counts = adata.X.toarray().astype(np.float64)
    counts[3] = 0
    adata.X = sparse.csr_matrix(counts.astype(np.float32))
    screen = open_cells(adata).screen()
    totals = counts.sum(axis=1)
    expected = np.log1p(counts / np.where(totals > 0, totals, 1)[:, None] * 1e4)
    for n_rows in (1, 4, 100):
        parts = list(log_rows(screen, n_rows=n_rows))
        np.testing.assert_allclose(np.vstack([p.values.toarray() for p in parts]), expected, rtol=1e-12)
        np.testing.assert_array_equal(np.concatenate([p.totals for p in parts]), totals)
        assert [p.start for p in parts] == list(range(0, 6, n_rows))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("z.npy", lambda p: np.save(p, Z)),
        ("z.npz", lambda p: np.savez(p, z=Z)),
        ("z.csv", lambda p: pd.DataFrame(Z).to_csv(p, index=False)),
        ("headed.tsv", lambda p: pd.DataFrame(Z, columns=["PC1", "PC2"]).to_csv(p, sep="\t", index=False)),
        ("z.tsv.gz", lambda p: pd.DataFrame(Z, columns=["PC1", "PC2"]).to_csv(p, sep="\t", index=False)),
        ("bare.txt", lambda p: np.savetxt(p, Z, delimiter="\t")),
        ("z.parquet", lambda p: pd.DataFrame(Z, columns=["a", "b"]).to_parquet(p)),
    ],
)
def test_a_latent_in_a_file_of_its_own(name, write, tmp_path):
    write(tmp_path / name)
    read, names = read_coordinates(tmp_path / name)
    np.testing.assert_allclose(read, Z)
    assert names == ()


@pytest.mark.parametrize("header", ["cell,a,b\n", "a,b\n"])
def test_names_of_the_cells_come_along(header, tmp_path):
    (tmp_path / "z.csv").write_text(header + "c0,1,2\nc1,3,4\n")
    read, names = read_coordinates(tmp_path / "z.csv")
    assert names == ("c0", "c1")
    np.testing.assert_array_equal(read, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("z.npy", b"hello", "cannot be read as a latent"),
        ("z.csv", b"a,b\n1,x\n2,3\n", "'b'.*no numbers, the first is 'x'"),
        ("z.csv", b"", "cannot be read as a latent"),
    ],
)
def test_a_file_that_is_no_latent_is_refused(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_coordinates(tmp_path / name)


def test_a_pickled_array_is_refused(tmp_path):
    np.save(tmp_path / "z.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read as a latent"):
        read_coordinates(tmp_path / "z.npy")


def test_controls_by_name_or_by_usual_spelling():
    labels = Labels("condition", ("NTC_1", "TP53", "non-targeting"), np.array([0, 1, 2, -1], dtype=np.int32))
    assert control_cells(labels).tolist() == [True, False, True, False]
    assert control_cells(labels, named=["TP53"]).tolist() == [False, True, False, False]
    with pytest.raises(DataError, match=r"No cell has the label 'TP35'.*'TP53'"):
        control_cells(labels, named=["TP35"])
