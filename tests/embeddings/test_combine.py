"""Several sources side by side."""

from __future__ import annotations

import numpy as np
import pytest

from perturbridge.embeddings import as_embedding, concat_embeddings
from perturbridge.errors import EmbeddingError


@pytest.fixture
def two():
    one = as_embedding({"TP53": [3.0, 4.0], "MYC": [1.0, 0.0], "KRAS": [5.0, 12.0]}, name="one")
    other = as_embedding({"P53": [0.0, 0.0, 2.0], "MYC": [2.0, 0.0, 0.0], "EGFR": [1.0, 1.0, 1.0]}, name="other")
    return one, other


def test_every_source_has_length_one(two):
    joined = concat_embeddings(two)
    assert joined.genes == ("TP53", "MYC")
    np.testing.assert_allclose(joined.vectors, [[0.6, 0.8, 0, 0, 1], [1, 0, 1, 0, 0]], rtol=1e-6)
    assert joined.name == "one+other"


def test_genes_that_a_source_lacks_are_said(two):
    (found,) = [f for f in concat_embeddings(two, name="both").findings if f.code == "not_in_all"]
    assert (found.level, found.count, found.example) == ("warning", 1, "KRAS")


def test_the_card_tells_of_each_source(two):
    card = concat_embeddings(two, name="both").card
    assert card.name == "both"
    assert "one: unknown" in card.license
    assert "other" in card.made_by


def test_what_cannot_be_joined(two):
    one, _ = two
    with pytest.raises(EmbeddingError, match="1 embeddings are to be joined"):
        concat_embeddings([one])
    with pytest.raises(EmbeddingError, match="'one', 'one'"):
        concat_embeddings([one, one])
    with pytest.raises(EmbeddingError, match="No gene is in all"):
        concat_embeddings([one, as_embedding({"Trp53": [1.0]}, name="mouse")])
