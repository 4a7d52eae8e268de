from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse

from perturbridge.errors import DataError
from perturbridge.screens import describe_screen, open_source, pseudobulk, read_screen

GENES = ["A", "B", *(f"G{i}" for i in range(6))]
LABELS = ["ctrl", "A+ctrl", "A+B"]


def counts(n_cells=30, n_genes=8):
    x = np.random.default_rng(5).poisson(1.0, size=(n_cells, n_genes))
    x[:, 0] += 1
    return x


@pytest.fixture
def write(tmp_path):
    def make(x, *, turned=False, genes=GENES, header=False, meta=None, packed=False, name="bridge"):
        folder = tmp_path / name
        folder.mkdir()
        table = pd.DataFrame(
            {
                "condition": [LABELS[i % 3] for i in range(len(x))],
                "batch": [f"b{i // 3 % 2}" for i in range(len(x))],
                **(meta or {}),
            }
        )
        table.index = [f"cell{i}" for i in range(len(x))]
        table.to_csv(folder / "meta.csv")
        lines = ["gene", *genes] if header else list(genes)
        (folder / "genes.tsv").write_text("\n".join(lines) + "\n")
        io.mmwrite(folder / "X.mtx", sparse.coo_matrix(x.T if turned else x))
        if packed:
            for file in list(folder.iterdir()):
                (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
                file.unlink()
        return folder

    return make


def values(screen):
    chunk = screen.source.read_rows(0, screen.n_cells)
    return sparse.csr_matrix((chunk.data, chunk.indices, chunk.indptr), shape=screen.source.shape).toarray()


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_both_orientations_with_and_without_header_plain_and_gzip(write, turned, header, packed):
    x = counts()
    screen = read_screen(write(x, turned=turned, header=header, packed=packed))
    np.testing.assert_array_equal(values(screen), x)
    assert screen.genes == tuple(GENES)
    assert [str(p) for p in screen.perturbations] == ["A", "A+B"]
    assert screen.context.column == "batch"
    finding = next(f for f in screen.findings if f.code == "orientation")
    assert ("genes x cells, and was turned around" in finding.message) is turned
    assert screen.normalization.kind == "counts"


def test_the_same_screen_as_an_h5ad(write, make_adata, write_h5ad):
    x = counts()
    adata = make_adata(
        LABELS,
        n_cells=30,
        genes=GENES,
        matrix=x.astype(np.float32),
        obs={"batch": [f"b{i // 3 % 2}" for i in range(30)]},
    )
    assert (
        pseudobulk(read_screen(write(x, turned=True))).fingerprint
        == pseudobulk(read_screen(write_h5ad(adata))).fingerprint
    )


def test_ids_and_symbols_in_two_columns(write):
    ids = [f"ENSG{i:011d}" for i in range(8)]
    screen = read_screen(write(counts(), genes=[f"{i}\t{g}\tGene Expression" for i, g in zip(ids, GENES, strict=True)]))
    assert screen.genes == tuple(GENES)
    assert screen.gene_ids == tuple(ids)


def test_a_square_matrix_is_told_by_cell_totals_or_refused(write):
    x = counts(8, 8)
    for turned in (False, True):
        folder = write(x, turned=turned, meta={"total_counts": x.sum(axis=1)}, name=f"square{turned}")
        np.testing.assert_array_equal(values(read_screen(folder)), x)
    with pytest.raises(
        DataError, match=r"square \(8 x 8\), so that its shape does not tell cells from genes. Add the total count"
    ):
        read_screen(write(x, name="bare"))


def test_lengths_that_fit_nothing_are_named(write):
    with pytest.raises(DataError, match=r"X.mtx is 30 x 8, but meta.csv names 30 cells and genes.tsv has 5 lines"):
        read_screen(write(counts(), genes=GENES[:5]))


@pytest.mark.parametrize("missing", ["X.mtx", "meta.csv", "genes.tsv"])
def test_a_missing_file_is_named(write, missing):
    folder = write(counts())
    (folder / missing).unlink()
    with pytest.raises(DataError, match=f"has no {missing} and no .*plain or as .gz"):
        read_screen(folder)


def test_an_empty_zarr_store_is_told_apart(tmp_path):
    (tmp_path / ".zgroup").write_text('{"zarr_format": 2}')
    with pytest.raises(DataError, match=r"no cell and gene tables \(obs, var\), but nothing"):
        read_screen(tmp_path)


HEAD = "%%MatrixMarket matrix coordinate integer general\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "starts with ''"),
        ("hello\n", "starts with 'hello'"),
        ("%%MatrixMarket matrix coordinate pattern general\n30 8 1\n1 1\n", "expected a general coordinate matrix"),
        ("%%MatrixMarket matrix coordinate real symmetric\n30 8 1\n1 1 1\n", "expected a general coordinate matrix"),
        ("%%MatrixMarket matrix array real general\n30 8\n", "expected a general coordinate matrix"),
        (HEAD + "30 8\n", r"gives \[30, 8\] as rows, columns and values"),
        (HEAD + "30 8 x\n", "cannot be read: invalid literal"),
        (HEAD + "30 8 99999999999\n1 1 1\n", "claims 99,999,999,999 values, but holds"),
        (HEAD + "30 8 3\n1 1 1\n2 2 1\n", "cannot be read|announces 3 values"),
        (HEAD + "30 8 1\n31 1 1\n", "cannot be read"),
        (HEAD + "30 8 1\n0 1 1\n", "cannot be read"),
        (HEAD + "30 8 1\n1 1 x\n", "cannot be read"),
        (HEAD + "30 8 2\n1 1 1\n1 1 5\n", "1 of them stand twice"),
        (HEAD + "30 8 1\n1 1 -5\n", "negative"),
        (HEAD.replace("integer", "real") + "30 8 1\n1 1 nan\n", "NaN"),
    ],
)
def test_broken_matrix_text_is_refused(write, text, message):
    folder = write(counts())
    (folder / "X.mtx").write_text(text)
    with pytest.raises(DataError, match=message):
        read_screen(folder)


def test_a_cut_gzip_is_refused(write):
    folder = write(counts(), packed=True)
    for name in ("X.mtx.gz", "meta.csv.gz"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match=r"cannot be read"):
            read_screen(folder)
        (folder / name).write_bytes(whole)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00,a\n", b'a,b\n"open'])
def test_a_broken_table_is_refused(write, content):
    folder = write(counts())
    (folder / "meta.csv").write_bytes(content)
    with pytest.raises(DataError):
        read_screen(folder)


def test_large_integers_are_not_rounded(write):
    x = counts()
    x[3, 4] = 2**24 + 1
    assert values(read_screen(write(x)))[3, 4] == 2**24 + 1


def test_a_folder_can_be_opened_again_by_its_path(write):
    screen = read_screen(write(counts()))
    again = open_source(screen.source.path, screen.normalization.place)
    np.testing.assert_array_equal(again.read_rows(3, 5).data, screen.source.read_rows(3, 5).data)
    assert describe_screen(screen)["bytes_on_disk"] > 0
