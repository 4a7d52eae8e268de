"""Finding a gene in an embedding: sure, said, and refused where it is not sure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perturbridge.errors import DataError, EmbeddingError
from perturbridge.values import EmbeddingCard, GeneAliases, GeneEmbedding, ensembl_stem

ALIASES = GeneAliases(
    approved=frozenset({"PRELID3B", "TP53", "TAFAZZIN", "WWTR1", "SEPTIN2", "ENSA"}),
    previous={"SLMO2": ("PRELID3B",), "TAZ": ("TAFAZZIN",), "SLMO1": ("PRELID3B",)},
    alias={"TAZ": ("WWTR1",), "C20orf45": ("PRELID3B",), "P53": ("TP53",), "dj543": ("PRELID3B", "TP53")},
    ensembl={"ENSG00000101166": "PRELID3B", "ENSG00000141510": "TP53"},
    entrez={"7157": "TP53"},
    excel={"2-Sep": ("SEPTIN2",), "1-Mar": ("MARCHF1", "MTARC1")},
)


def embed(*genes, rows=None, aliases=ALIASES, n_dims=2):
    n = len(genes) if rows is None else max(rows) + 1
    return GeneEmbedding(
        vectors=np.arange(n * n_dims, dtype=np.float32).reshape(n, n_dims),
        genes=genes,
        rows=np.arange(len(genes)) if rows is None else np.array(rows),
        card=EmbeddingCard(name="test"),
        aliases=aliases,
    )


@pytest.mark.parametrize(
    ("keys", "asked", "found"),
    [
        (["TP53"], "TP53", ("TP53", "exact")),
        (["TP53"], "P53", ("TP53", "alias")),
        (["P53"], "TP53", ("P53", "alias")),
        (["SLMO2"], "PRELID3B", ("SLMO2", "previous")),
        (["PRELID3B"], "SLMO2", ("PRELID3B", "previous")),
        (["SLMO2"], "C20orf45", ("SLMO2", "alias")),
        (["SLMO2"], "SLMO1", ("SLMO2", "previous")),
        (["ENSG00000141510"], "TP53", ("ENSG00000141510", "ensembl")),
        (["ENSG00000141510.18"], "TP53", ("ENSG00000141510.18", "ensembl")),
        (["ENSG00000141510.18"], "ENSG00000141510", ("ENSG00000141510.18", "ensembl")),
        (["ENSG00000141510.18"], "ENSG00000141510.3", ("ENSG00000141510.18", "ensembl")),
        (["SLMO2"], "ENSG00000101166", ("SLMO2", "ensembl")),
        (["7157"], "TP53", ("7157", "entrez")),
        (["TP53"], "7157", ("TP53", "entrez")),
        (["7157"], "ENSG00000141510.1", ("7157", "ensembl")),
        (["2-Sep"], "SEPTIN2", ("2-Sep", "excel_date")),
        (["SEPTIN2"], "2-Sep", ("SEPTIN2", "excel_date")),
        (["TAZ"], "TAZ", ("TAZ", "exact")),
        (["TAZ"], "TAFAZZIN", ("", "missing")),
        (["TAFAZZIN", "WWTR1"], "TAZ", ("", "ambiguous")),
        (["TP53"], "dj543", ("", "ambiguous")),
        (["TP53"], "1-Mar", ("", "ambiguous")),
        (["TP53"], "ENSA", ("", "missing")),
        (["ENSA"], "ENSA", ("ENSA", "exact")),
        (["TP53"], "", ("", "missing")),
        (["TP53"], "ENSG00000141510.18\n", ("", "missing")),
    ],
)
def test_where_a_gene_is_found_and_how(keys, asked, found):
    located = embed(*keys).locate([asked])
    assert (located.keys[0], located.how[0]) == found
    assert located.found.tolist() == [found[0] != ""]
    assert located.rows[0] == (0 if found[0] else -1)


@pytest.mark.parametrize(
    ("keys", "rows", "found"),
    [
        (["PRELID3B", "SLMO2"], [0, 1], ("PRELID3B", "exact")),
        (["C20orf45", "SLMO2"], [0, 1], ("SLMO2", "previous")),
        (["SLMO2", "C20orf45"], [0, 1], ("SLMO2", "previous")),
        (["SLMO1", "SLMO2"], [0, 1], ("", "ambiguous")),
        (["SLMO1", "SLMO2"], [0, 0], ("SLMO1", "previous")),
        (["SLMO1", "SLMO2", "ENSG00000101166"], [0, 1, 2], ("ENSG00000101166", "ensembl")),
    ],
)
def test_of_several_keys_the_surest_wins_and_equals_cancel(keys, rows, found):
    located = embed(*keys, rows=rows).locate(["PRELID3B"])
    assert (located.keys[0], located.how[0]) == found


def test_versions_of_an_id_that_disagree_are_ambiguous():
    keys = ("ENSG00000141510.1", "ENSG00000141510.2")
    assert embed(*keys).locate(["ENSG00000141510"]).how == ("ambiguous",)
    assert embed(*keys, rows=[0, 0]).locate(["ENSG00000141510"]).keys == (keys[0],)
    assert embed(*keys).locate([keys[1]]).keys == (keys[1],)


def test_versions_of_ids_need_no_table():
    located = embed("ENSMUSG00000059552.4", aliases=GeneAliases()).locate(["ENSMUSG00000059552", "TP53"])
    assert located.how == ("ensembl", "missing")


@given(
    keys=st.lists(
        st.sampled_from([*ALIASES.approved, *ALIASES.previous, *ALIASES.alias, "7157", "x"]), min_size=1, unique=True
    ),
    asked=st.lists(st.sampled_from([*ALIASES.approved, *ALIASES.previous, *ALIASES.alias, "7157", "x", "y"])),
)
def test_whatever_is_found_is_one_gene(keys, asked):
    """A key is the name itself, or both mean the same one gene; nothing is found for a name of several genes."""
    located = embed(*keys).locate(asked)
    assert len(located.keys) == len(asked)
    for gene, key, how in zip(asked, located.keys, located.how, strict=True):
        if gene in keys:
            assert (key, how) == (gene, "exact")
        elif key:
            assert ALIASES.current(gene)[0] == ALIASES.current(key)[0] != ""
        else:
            assert how in ("ambiguous", "missing")


def test_names_share_vectors_through_rows():
    embedding = embed("A", "B", "C", rows=[0, 1, 0])
    assert embedding.vectors.shape == (2, 2)
    assert embedding.locate(["C", "A", "B"]).rows.tolist() == [0, 0, 1]


@pytest.mark.parametrize(("name", "stem"), [("ENSG00000141510.18", "ENSG00000141510"), ("ENSMUSG00000059552", "ENSMUSG00000059552"), ("ENSA", ""), ("ENSG1", ""), ("ENSG00000141510.x", ""), ("xENSG00000141510", "")])  # fmt: skip
def test_stem_of_an_ensembl_id(name, stem):
    assert ensembl_stem(name) == stem


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"genes": ("A", "A")}, DataError, "stand more than once"),
        ({"genes": ("A", "")}, DataError, "empty name"),
        ({"rows": np.array([0])}, EmbeddingError, r"2 names and rows of shape \(1,\)"),
        ({"rows": np.array([0, 2])}, EmbeddingError, "for 2 vectors"),
        ({"rows": np.array([0, -1])}, EmbeddingError, "for 2 vectors"),
        ({"vectors": np.full((2, 2), np.nan)}, DataError, "4 entries that are NaN"),
        ({"vectors": np.zeros((2, 0))}, EmbeddingError, "empty: 2 names, 0 dimensions"),
        ({"genes": (), "rows": np.array([], int)}, EmbeddingError, "empty: 0 names"),
    ],
)
def test_an_embedding_that_cannot_be(change, error, message):
    parts = {"vectors": np.ones((2, 2)), "genes": ("A", "B"), "rows": np.array([0, 1])}
    with pytest.raises(error, match=message):
        GeneEmbedding(**{**parts, **change}, card=EmbeddingCard(name="test"))


def test_vectors_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        embed("A").vectors[0, 0] = 1
