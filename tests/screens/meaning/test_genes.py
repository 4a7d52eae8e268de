from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perturbridge.errors import DataError
from perturbridge.screens import read_screen
from perturbridge.screens.meaning._genes import is_ensembl, without_version

IDS = [f"ENSG{i:011d}" for i in range(12)]
SYMBOLS = ["A", "B", *(f"S{i}" for i in range(10))]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("ENSG00000107862", True),
        ("ENSG00000107862.17", True),
        ("ENSMUSG00000051951", True),
        ("ENSA", False),
        ("ENST00000107862", False),
        ("ENSP00000107862", False),
        ("ENSG0000010786", False),
        ("ENSG00000107862x", False),
        ("AC118549.1", False),
    ],
)
def test_an_ensembl_id_is_recognized_whole(name, wanted):
    assert is_ensembl(name) is wanted


@given(st.text(max_size=12))
def test_only_an_ensembl_id_loses_its_version(name):
    assert without_version(name) == name
    assert without_version(f"ENSG00000107862.{len(name)}") == "ENSG00000107862"


@pytest.mark.parametrize("column", ["gene_name", "gene_symbol", "symbol", "feature_name", "Gene Symbol"])
def test_symbols_replace_ids(make_adata, column):
    screen = read_screen(make_adata(genes=IDS, var={column: SYMBOLS}))
    assert screen.genes == tuple(SYMBOLS)
    assert screen.gene_ids == tuple(IDS)
    assert f"symbols from {column!r}" in screen.explanation[-1]


def test_versions_leave_the_ids_and_labels_may_be_ids(make_adata):
    adata = make_adata(
        [f"{IDS[0]}", f"{IDS[1]}.4", "non-targeting"],
        genes=[f"{i}.3" for i in IDS],
        var={"symbol": SYMBOLS},
        column="gene_id_x",
    )
    screen = read_screen(adata, perturbation="gene_id_x")
    assert screen.gene_ids == tuple(IDS)
    assert [str(p) for p in screen.perturbations] == ["A", "B"]


def test_a_gene_without_a_symbol_of_its_own_keeps_its_id_and_is_counted(make_adata):
    symbols = ["A", "B", "S2", "S2", "", *SYMBOLS[5:]]
    screen = read_screen(make_adata(genes=IDS, var={"gene_name": symbols}))
    assert screen.genes == ("A", "B", IDS[2], IDS[3], IDS[4], *SYMBOLS[5:])
    finding = next(f for f in screen.findings if f.code == "symbols_not_unique")
    assert finding.count == 3
    assert IDS[2] in finding.example


def test_numbers_as_names_give_way_to_symbols(make_adata):
    screen = read_screen(
        make_adata(genes=[str(i) for i in range(12)], var={"feature_name": SYMBOLS, "feature_id": IDS})
    )
    assert screen.genes == tuple(SYMBOLS)


def test_names_with_a_column_of_ids(make_adata):
    screen = read_screen(make_adata(genes=SYMBOLS, var={"gene_ids": IDS}))
    assert screen.genes == tuple(SYMBOLS)
    assert screen.gene_ids == tuple(IDS)


def test_ids_alone_stay(make_adata):
    screen = read_screen(make_adata(["non-targeting", IDS[0]], genes=IDS))
    assert screen.genes == tuple(IDS) == screen.gene_ids


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_duplicated_names_are_refused_with_count_and_first(make_adata):
    adata = make_adata(genes=["A", "B", "A", "B", "C", *SYMBOLS[5:]], var={"other": IDS})
    with pytest.raises(
        DataError,
        match=r"2 gene names stand more than once in the index of the gene table, the first is 'A' \(2 times\).*'other'.*genes=",
    ):
        read_screen(adata)
    assert read_screen(adata, genes="other").genes == tuple(IDS)


def test_a_column_as_asked_must_exist_and_be_unique(make_adata):
    adata = make_adata(genes=SYMBOLS, var={"double": ["x", "x", *SYMBOLS[2:]], "blank": ["", *SYMBOLS[1:]]})
    with pytest.raises(DataError, match=r"no column 'absent'. Use one of 'double', 'blank'"):
        read_screen(adata, genes="absent")
    with pytest.raises(DataError, match=r"1 gene names stand more than once in column 'double'"):
        read_screen(adata, genes="double")
    with pytest.raises(DataError, match=r"1 genes have no name in column 'blank'"):
        read_screen(adata, genes="blank")


def test_genes_of_raw_are_used_with_values_of_raw(make_adata):
    adata = make_adata(genes=SYMBOLS)
    adata.raw = adata
    small = adata[:, :5].copy()
    small.X = np.log1p(small.X.toarray() / 3)
    screen = read_screen(small)
    assert screen.normalization.place == "raw/X"
    assert screen.n_genes == 12
    assert read_screen(small, place="X").genes == tuple(SYMBOLS[:5])
