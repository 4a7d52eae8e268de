from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from perturbridge.errors import DataError
from perturbridge.screens.files._h5ad import open_h5ad

COUNTS = np.random.default_rng(1).poisson(1.0, size=(6, 4)).astype(np.float32)
CELLS = [f"cell{i}" for i in range(6)]


def labels(column):
    return [column.labels[code] if code >= 0 else None for code in column.codes]


def values(source):
    chunk = source.read_rows(0, source.shape[0])
    return sparse.csr_matrix((chunk.data, chunk.indices, chunk.indptr), shape=source.shape).toarray()


@pytest.mark.parametrize(
    ("values_", "wanted", "kind"),
    [
        (
            pd.Categorical(["a", "b", "a", None, "b", "a"], categories=["a", "b", "unused"]),
            ["a", "b", "a", None, "b", "a"],
            "text",
        ),
        (["a", "b", "a", "nan", "b", "é"], ["a", "b", "a", None, "b", "é"], "text"),
        (pd.Categorical([3, 1, 3, 1, 1, 1]), ["3", "1", "3", "1", "1", "1"], "text"),
        ([3, 1, 3, 1, 1, 1], ["3", "1", "3", "1", "1", "1"], "integer"),
        ([3.0, 1.5, np.nan, 1.5, 1.5, 3.0], ["3", "1.5", None, "1.5", "1.5", "3"], "float"),
        ([True, False, True, True, False, True], ["True", "False", "True", "True", "False", "True"], "flag"),
        (pd.array([3, None, 3, 1, 1, 1], dtype="Int64"), ["3", None, "3", "1", "1", "1"], "integer"),
        (
            pd.array([True, None, False, True, True, True], dtype="boolean"),
            ["True", None, "False", "True", "True", "True"],
            "flag",
        ),
    ],
    ids=["categorical", "text", "integer categories", "integer", "float", "flag", "nullable integer", "nullable flag"],
)
def test_every_encoding_that_anndata_writes(make_adata, write_h5ad, values_, wanted, kind):
    adata = make_adata(n_cells=6, genes=["a", "b", "c", "d"], matrix=COUNTS, obs={"col": values_})
    column = open_h5ad(write_h5ad(adata)).cell_column("col")
    assert labels(column) == wanted
    assert column.kind == kind


def bare(path, *, obs=None, var=None, x=COUNTS, extra=None):
    """Write an h5ad by hand: groups as anndata 0.8 writes them, unless a table is given as something else."""
    with h5py.File(path, "w") as file:
        file["X"] = x
        for name, names, columns in (("obs", CELLS, obs or {}), ("var", ["a", "b", "c", "d"], var or {})):
            group = file.create_group(name)
            group.attrs["_index"] = "_index"
            group["_index"] = names
            for column, write in columns.items():
                write(group, column)
        if extra:
            extra(file)
    return path


def nullable_text(group, column):
    item = group.create_group(column)
    item["values"] = ["a", "b", "", "b", "a", "a"]
    item["mask"] = [False, False, True, False, False, False]


def nullable_categories(group, column):
    item = group.create_group(column)
    item["codes"] = np.array([0, 1, -1, 1, 0, 0], dtype=np.int8)
    categories = item.create_group("categories")
    categories["values"] = ["a", "b"]
    categories["mask"] = [False, False]


def old_categorical(group, column):
    stored = group.create_group("__categories")
    stored[column] = ["a", "b"]
    group[column] = np.array([0, 1, -1, 1, 0, 0], dtype=np.int8)
    group[column].attrs["categories"] = stored[column].ref


def fixed_bytes(group, column):
    group[column] = np.array([b"a", b"b", b"", b"b", b"a", b"a"])


@pytest.mark.parametrize("write", [nullable_text, nullable_categories, old_categorical, fixed_bytes])
def test_other_encodings(tmp_path, write):
    opened = open_h5ad(bare(tmp_path / "a.h5ad", obs={"col": write}))
    assert opened.cell_columns() == ("col",)
    assert labels(opened.cell_column("col")) == ["a", "b", None, "b", "a", "a"]


def test_tables_from_before_version_0_7(tmp_path):
    path = tmp_path / "old.h5ad"
    obs = np.array(
        [(c.encode(), i % 2, 1.5) for i, c in enumerate(CELLS)], dtype=[("index", "S8"), ("col", "i1"), ("score", "f4")]
    )
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs["h5sparse_format"] = "csr"
        group.attrs["h5sparse_shape"] = [6, 4]
        x = sparse.csr_matrix(COUNTS)
        group["data"], group["indices"], group["indptr"] = x.data, x.indices, x.indptr
        file["obs"] = obs
        file["var"] = np.array([(g,) for g in (b"a", b"b", b"c", b"d")], dtype=[("index", "S4")])
        file["raw.X"] = COUNTS * 2
        file["raw.var"] = file["var"][()]
        uns = file.create_group("uns")
        uns["col_categories"] = ["first", "second"]
    opened = open_h5ad(path)
    assert opened.cell_columns() == ("col", "score")
    assert labels(opened.cell_column("col")) == ["first", "second"] * 3
    assert opened.cell_column("score").kind == "float"
    assert opened.gene_names("X") == opened.gene_names("raw/X") == ("a", "b", "c", "d")
    np.testing.assert_array_equal(values(opened.source("X")), COUNTS)
    np.testing.assert_array_equal(values(opened.source("raw/X")), COUNTS * 2)
    assert "cell 'cell3' (row 3)" in opened.source("X").locate(3)


def test_raw_has_its_own_genes(make_adata, write_h5ad):
    adata = make_adata(n_cells=6, genes=["a", "b", "c", "d"], matrix=COUNTS)
    adata.raw = adata
    adata = adata[:, :2].copy()
    adata.layers["counts"] = adata.X
    opened = open_h5ad(write_h5ad(adata))
    assert set(opened.places()) == {"X", "raw/X", "layers/counts"}
    assert opened.gene_names("raw/X") == ("a", "b", "c", "d")
    assert opened.gene_names("layers/counts") == ("a", "b")
    np.testing.assert_array_equal(values(opened.source("raw/X")), COUNTS)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "csr_array", "csc_array", "dense"])
@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_every_layout_reads_the_same(make_adata, write_h5ad, form, compression):
    x = COUNTS if form == "dense" else getattr(sparse, form)(COUNTS)
    adata = make_adata(n_cells=6, genes=["a", "b", "c", "d"], matrix=x)
    source = open_h5ad(write_h5ad(adata, compression=compression)).source("X")
    np.testing.assert_array_equal(values(source), COUNTS)
    for i in range(6):
        chunk = source.read_rows(i, i + 1)
        assert chunk.start == i
        np.testing.assert_array_equal(chunk.data, COUNTS[i][COUNTS[i] != 0])


def damaged(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def code_beyond(file):
    file["obs/condition/codes"][3] = 100


def code_below(file):
    file["obs/condition/codes"][3] = -5


def short_column(file):
    del file["obs/condition/codes"]
    file["obs/condition/codes"] = np.zeros(3, dtype=np.int8)


def not_text(file):
    del file["obs/condition/categories"]
    file["obs/condition/categories"] = np.array([b"\xff\xfe", b"a"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (code_beyond, "Column 'condition' has 1 codes outside its 4 categories, the first is 100 in row 3"),
        (code_below, "Column 'condition' has 1 codes outside its 4 categories, the first is -5 in row 3"),
        (short_column, r"'/obs/condition/codes' in .* has shape \(3,\), expected 48 entries"),
        (not_text, "expected UTF-8 text or numbers"),
    ],
)
def test_a_damaged_column_is_named(make_adata, write_h5ad, change, message):
    adata = make_adata()
    adata.obs["condition"] = adata.obs["condition"].astype("category")
    opened = open_h5ad(damaged(write_h5ad(adata), change))
    with pytest.raises(DataError, match=message):
        opened.cell_column("condition")


def test_a_matrix_that_does_not_fit_its_tables_is_refused(make_adata, write_h5ad):
    def other_shape(file):
        file["X"].attrs["shape"] = [48, 11]

    opened = open_h5ad(damaged(write_h5ad(make_adata()), other_shape))
    with pytest.raises(DataError, match=r"X of .* is 48 x 11, but the tables name 48 cells and 12 genes"):
        opened.source("X")


def test_other_hdf5_files_are_told_apart(tmp_path):
    with h5py.File(tmp_path / "10x.h5", "w") as file:
        file.create_group("matrix")
    with pytest.raises(DataError, match=r"neither an h5ad, a 10x nor a loom file: .* but 'matrix'"):
        open_h5ad(tmp_path / "10x.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = [1]
    with pytest.raises(DataError, match=r"no cell and gene tables"):
        open_h5ad(tmp_path / "other.h5")
    with pytest.raises(DataError, match=r"holds no matrix"):
        open_h5ad(damaged(bare(tmp_path / "x.h5ad"), lambda file: file.__delitem__("X")))
