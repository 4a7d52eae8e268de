"""The tables that ship: found, readable, and worth having."""

from __future__ import annotations

import json

import numpy as np
import pytest

from perturbridge.embeddings import _shipped, coverage, list_sources, open_embedding
from perturbridge.errors import EmbeddingError
from perturbridge.numerics import l2_normalize

NAMES = ["go_words", "pathways"]


def test_the_list_is_by_name_and_plain():
    sources = list_sources()
    assert [source.name for source in sources] == NAMES
    for source in sources:
        json.dumps(vars(source))
        assert source.license == "CC-BY-4.0"
        assert source.n_bytes < 5_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_table_opens_as_its_card_says(name):
    embedding = open_embedding(name)
    source = next(source for source in list_sources() if source.name == name)
    assert embedding.vectors.shape == (source.n_genes, source.n_dims)
    assert embedding.vectors.dtype == np.float32
    assert len(embedding.genes) == source.n_genes
    assert list(embedding.genes) == sorted(embedding.genes)
    assert embedding.card.sha256 == source.sha256
    for field in ("name", "description", "source", "license", "date", "id_space"):
        assert getattr(embedding.card, field) == getattr(source, field), field
    assert (np.linalg.norm(embedding.vectors, axis=1) > 0).all()


def test_the_default_is_go_words():
    assert open_embedding().name == "go_words"


@pytest.mark.parametrize("name", NAMES)
def test_names_are_current_and_none_is_lost_to_an_alias(name):
    embedding = open_embedding(name)
    hows = [embedding.aliases.current(gene)[1] for gene in embedding.genes]
    assert hows.count("previous") == hows.count("alias") == 0
    assert hows.count("exact") > 0.97 * len(hows)
    located = embedding.locate(["TAFAZZIN", "SARS", "ENSG00000141510.18", "7157", "TAZ"])
    assert located.how[4] == "ambiguous" or name == "pathways"


@pytest.mark.parametrize(
    ("name", "gene", "near", "far"),
    [
        ("go_words", "MRPL12", "MRPL37", "HOXA1"),
        ("go_words", "PSMA1", "PSMB2", "COL1A1"),
        ("go_words", "HSPA5", "DNAJB9", "KRT5"),
        ("pathways", "RPL3", "RPS6", "GRM1"),
        ("pathways", "PSMA1", "PSMB2", "COL1A1"),
    ],
)
def test_what_biologists_expect_lies_near(name, gene, near, far):
    embedding = open_embedding(name)
    rows = embedding.locate([gene, near, far]).rows
    one, two, three = l2_normalize(embedding.vectors)[rows]
    assert one @ two > 0.4 > one @ three + 0.1


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(EmbeddingError, match="No table called 'go_word' ships; there are 'go_words'"):
        open_embedding("go_word")


def test_an_installation_without_tables_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(_shipped, "_homes", lambda: (tmp_path, tmp_path))
    with pytest.raises(EmbeddingError, match="are not beside this installation"):
        list_sources()


@pytest.mark.parametrize(
    ("screen", "table", "n_found", "n_asked"),
    [
        ("replogle22k562_centroid_delta50", "go_words", 281, 300),
        ("adamson16_centroid_delta50", "go_words", 88, 90),
        ("norman19_centroid_delta50", "go_words", 100, 105),
        ("replogle22k562_centroid_delta50", "pathways", 218, 300),
        ("adamson16_centroid_delta50", "pathways", 75, 90),
    ],
)
def test_coverage_of_published_screens(screen, table, n_found, n_asked, data_dir):
    with np.load(data_dir / "profiles" / f"{screen}.npz") as file:
        names = [n for n in file["perturbation"].tolist() if n not in ("control", "*") and "+" not in n]
    found = coverage(open_embedding(table), names)
    assert (int((found["key"] != "").sum()), len(found)) == (n_found, n_asked)
