"""Which genes have a vector, told gene by gene."""

from __future__ import annotations

import numpy as np
import pytest

from perturbridge.embeddings import as_embedding, coverage, open_embedding, summarize_coverage
from perturbridge.errors import EmbeddingError


def test_each_gene_is_told_once_in_order(table):
    asked = ["P53", "MYC", "TAZ", "nonsense", "MYC", "ENSG00000133703.13"]
    found = coverage(as_embedding(table, name="x"), asked)
    assert list(found.columns) == ["gene", "key", "how"]
    assert found["gene"].tolist() == asked
    assert found["key"].tolist() == ["TP53", "MYC", "", "", "MYC", "KRAS"]
    assert found["how"].tolist() == ["alias", "exact", "ambiguous", "missing", "exact", "ensembl"]


def test_summary_counts_and_names(table):
    text = summarize_coverage(coverage(as_embedding(table, name="x"), ["P53", "MYC", "TAZ", "nonsense"]))
    assert text == (
        "2 of 4 genes have a vector; 1 of them under another name (P53 as TP53); 1 may mean several genes (TAZ); "
        "1 have none (nonsense)."
    )
    assert summarize_coverage(coverage(as_embedding(table, name="x"), ["MYC"])) == "1 of 1 genes have a vector."


def test_no_genes_is_an_empty_table(table):
    found = coverage(as_embedding(table, name="x"), [])
    assert found.shape == (0, 3)
    assert summarize_coverage(found) == "0 of 0 genes have a vector."


def test_one_text_is_not_a_list(table):
    with pytest.raises(EmbeddingError, match="one text, 'TP53'"):
        coverage(as_embedding(table, name="x"), "TP53")


def test_old_names_of_a_real_screen_are_found(data_dir):
    """Names that broke on the Adamson set elsewhere: none of them is lost here."""
    with np.load(data_dir / "profiles" / "adamson16_centroid_delta50.npz") as file:
        asked = [name for name in file["perturbation"].tolist() if name not in ("control", "*")]
    found = coverage(open_embedding(), asked)
    renamed = found[(found["key"] != "") & (found["key"] != found["gene"])].set_index("gene")["key"]
    assert renamed["SLMO2"] == "PRELID3B"
    assert renamed["SRPR"] == "SRPRA"
    assert renamed["ATP5B"] == "ATP5F1B"
    assert (found["key"] != "").sum() == 88
    assert sorted(found[found["key"] == ""]["gene"]) == ["C7orf26", "TTI2"]
