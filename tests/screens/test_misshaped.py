"""Files that look real and are not what they seem: each ends in the right reading, or in an error whose cure works."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse

from perturbridge.errors import DataError
from perturbridge.screens import pseudobulk, read_screen


def found(screen):
    return {finding.code: finding for finding in screen.findings}


def names(screen):
    return [str(name) for name in screen.perturbations]


def test_genes_by_cells(make_adata, write_h5ad):
    with pytest.raises(
        DataError, match=r"lies genes x cells: its gene table has the column 'condition'.*adata\.T"
    ) as caught:
        read_screen(write_h5ad(make_adata().T))
    assert "perturbation" in caught.value.problem
    assert names(read_screen(write_h5ad(make_adata()))) == ["A", "A+B", "B"]


def test_two_label_columns_that_disagree(make_adata, write_h5ad):
    adata = make_adata()
    adata.obs["target_gene"] = ["ctrl", "B", "A", "A"] * 12
    path = write_h5ad(adata)
    with pytest.raises(
        DataError, match=r"2 columns could name the perturbation and disagree.*perturbation='condition'"
    ):
        read_screen(path)
    assert names(read_screen(path, perturbation="target_gene")) == ["A", "B"]


def test_all_cells_are_controls(make_adata, write_h5ad):
    with pytest.raises(DataError, match=r"Column 'condition' holds controls only \('ctrl' 48\)"):
        read_screen(write_h5ad(make_adata(["ctrl"])))


def test_controls_in_one_batch_only(make_adata, write_h5ad):
    labels = ["ctrl"] * 12 + ["A+ctrl", "ctrl+B", "A+B"] * 12
    batches = ["b0"] * 15 + ["b1"] * 33
    path = write_h5ad(make_adata(labels, obs={"batch": batches}))
    with pytest.raises(DataError, match=r"92 % of the perturbed cells lie in levels without a control.*context='none'"):
        read_screen(path)
    assert read_screen(path, context="none").context is None
    most = write_h5ad(make_adata(labels, obs={"batch": ["b0"] * 40 + ["b1"] * 8}), "most.h5ad")
    assert found(read_screen(most)).keys() == set()
    from perturbridge.screens import describe_screen

    (finding,) = [f for f in describe_screen(read_screen(most))["findings"] if f["code"] == "unmatched_context"]
    assert (finding["count"], finding["example"]) == (1, "b1")


@pytest.mark.parametrize("index", ["ids", "numbers"])
@pytest.mark.parametrize("swapped", [False, True])
def test_gene_ids_in_the_wrong_column(make_adata, write_h5ad, index, swapped):
    symbols = ["A", "B", *(f"G{i}" for i in range(10))]
    ids = [f"ENSG{i:011d}.{i}" for i in range(12)]
    columns = ("gene_ids", "gene_name") if swapped else ("gene_name", "gene_ids")
    adata = make_adata(var=dict(zip(columns, (symbols, ids), strict=True)))
    adata.var_names = ids if index == "ids" else [str(i) for i in range(12)]
    screen = read_screen(write_h5ad(adata))
    assert screen.genes == tuple(symbols)
    assert names(screen) == ["A", "A+B", "B"]


def test_percent_encoded_labels(make_adata, write_h5ad):
    screen = read_screen(write_h5ad(make_adata(["ctrl", "A%2Bctrl", "HLA%2DB", "A%2BB"])))
    assert names(screen) == ["A", "A+B", "HLA-B"]
    assert found(screen)["labels_decoded"].count == 3


@pytest.mark.parametrize("gene_lines", ["symbols", "ids"])
def test_byte_order_marks_and_windows_lines(tmp_path, gene_lines):
    x = np.random.default_rng(0).poisson(1, (12, 3)) + 1
    labels = ["ctrl", "A", "B"] * 4
    lines = ["barcode,condition", *(f"c{i},{label}" for i, label in enumerate(labels))]
    (tmp_path / "meta.csv").write_bytes("\r\n".join(lines).encode("utf-8-sig") + b"\r\n")
    genes = ["A", "B", "C"] if gene_lines == "symbols" else [f"ENSG{i:011d}\t{g}" for i, g in enumerate("ABC")]
    (tmp_path / "genes.tsv").write_bytes("\r\n".join(genes).encode("utf-8-sig") + b"\r\n")
    io.mmwrite(tmp_path / "X.mtx", sparse.coo_matrix(x))
    text = (tmp_path / "X.mtx").read_bytes().replace(b"\n", b"\r\n")
    (tmp_path / "X.mtx").write_bytes(text)
    screen = read_screen(tmp_path)
    assert screen.genes == ("A", "B", "C")
    assert names(screen) == ["A", "B"]
    chunk = screen.source.read_rows(0, 12)
    np.testing.assert_array_equal(chunk.data.reshape(12, 3), x)


def test_batches_written_as_integers_and_as_floats_are_one(make_adata, write_h5ad):
    adata = make_adata(obs={"batch": [("1", "1.0", "2")[i // 4 % 3] for i in range(48)]})
    screen = read_screen(write_h5ad(adata))
    assert screen.context.categories == ("1", "2")
    assert any("'1.0' is read as '1'" in sentence for sentence in screen.explanation)


def test_whole_counts_with_some_fractions_are_counted(make_adata, write_h5ad):
    adata = make_adata()
    x = adata.X.tolil()
    x[3, 0] = 1.5
    adata.X = x.tocsr()
    (finding,) = [f for f in pseudobulk(read_screen(write_h5ad(adata))).findings if f.code == "non_integral_counts"]
    assert finding.count == 1
    adata.X.data[::2] += 0.5
    with pytest.raises(DataError, match=r"look mixed .*x_is=\"counts\""):
        read_screen(write_h5ad(adata))


@pytest.mark.parametrize("blank", ["", None, "nan"])
def test_empty_text_as_control(make_adata, write_h5ad, blank):
    adata = make_adata([blank, "A", "B", "A+B"])
    adata.obs["condition"] = pd.Categorical(adata.obs["condition"])
    path = write_h5ad(adata)
    with pytest.raises(DataError, match=r"12 cells have no label: say control=''"):
        read_screen(path)
    screen = read_screen(path, control="")
    assert names(screen) == ["A", "A+B", "B"]
    assert (screen.perturbation_codes == -1).sum() == 12
