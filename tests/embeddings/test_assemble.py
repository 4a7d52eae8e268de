"""What is odd in a table is an error or a finding, never silence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from perturbridge.embeddings import as_embedding, read_embedding
from perturbridge.errors import EmbeddingError


def codes(embedding):
    return {found.code: found for found in embedding.findings}


def test_zero_vectors_are_left_out_and_said(table):
    embedding = as_embedding({**table, "ctrl": np.zeros(5, np.float32)}, name="scouter")
    assert "ctrl" not in embedding.genes
    found = codes(embedding)["zero_vectors"]
    assert (found.level, found.count, found.example) == ("warning", 1, "ctrl")


def test_vectors_of_nan_are_left_out_and_said(table):
    embedding = as_embedding({**table, "BAX": np.full(5, np.nan), "BAD": np.full(5, np.nan)}, name="depmap")
    assert {"BAX", "BAD"}.isdisjoint(embedding.genes)
    found = codes(embedding)["nan_vectors"]
    assert (found.level, found.count, found.example) == ("warning", 2, "BAX")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_vectors_damaged_in_part_are_an_error(bad, table):
    table["MYC"][2] = bad
    with pytest.raises(EmbeddingError, match=r"1 vectors with NaN or infinite entries, the first 'MYC'.* dimension 2"):
        as_embedding(table, name="x")


def test_nothing_usable_is_an_error():
    with pytest.raises(EmbeddingError, match="2 names and no usable vector"):
        as_embedding({"A": [0.0, 0.0], "B": [np.nan, np.nan]}, name="x")
    with pytest.raises(EmbeddingError, match="empty dict"):
        as_embedding({}, name="x")


def test_ragged_vectors_name_the_odd_one():
    with pytest.raises(EmbeddingError, match="2 lengths: 2 have 3 numbers, 1 do not, the first is 'B' with 2"):
        as_embedding({"A": [1.0, 2, 3], "B": [1.0, 2], "C": [1.0, 2, 4]}, name="x")


@pytest.mark.parametrize("value", ["text", None, ["0.1", "0.2"], [1 + 2j, 0], [True, False], [[1.0, 2], [3, 4]], 3.0])
def test_what_is_not_numbers_is_an_error(value):
    with pytest.raises(EmbeddingError, match=r"'x'.*'B'"):
        as_embedding({"A": [1.0, 2.0], "B": value}, name="x")


@pytest.mark.parametrize("name", [1.5, None, ("TP53",), b"TP53", True])
def test_names_that_are_not_text_are_an_error(name):
    with pytest.raises(EmbeddingError, match=f"1 names that are not text, the first a {type(name).__name__}"):
        as_embedding({"MYC": [1.0, 2.0], name: [2.0, 1.0]}, name="x")


def test_empty_names_are_an_error(table):
    with pytest.raises(EmbeddingError, match="1 empty names, the first for entry 6"):
        as_embedding({**table, " ": np.ones(5)}, name="x")


def test_spaces_around_names_are_taken_off(table):
    embedding = as_embedding({**table, " BAX ": np.ones(5)}, name="x")
    assert "BAX" in embedding.genes
    assert codes(embedding)["padded_names"].count == 1


def test_a_name_for_different_vectors_is_an_error(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("gene,dim_0,dim_1\nTP53,1,2\nMYC,3,4\nTP53,1,3\n")
    with pytest.raises(EmbeddingError, match=r"different vectors under the name 'TP53' \(1 repeats"):
        read_embedding(path)


def test_a_name_that_repeats_its_vector_is_kept_once(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("gene,dim_0,dim_1\nTP53,1,2\nMYC,3,4\nTP53,1,2\n")
    embedding = read_embedding(path)
    assert embedding.genes == ("TP53", "MYC")
    assert codes(embedding)["repeated_names"].count == 1


def test_repeated_titles_are_not_renamed(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("TP53,MYC,TP53\n1.5,2.5,3.5\n1.5,2.5,3.5\n")
    with pytest.raises(EmbeddingError, match="different vectors under the name 'TP53'"):
        read_embedding(path)


def test_rounding_is_said_only_where_it_happens():
    assert "rounded_to_float32" not in codes(as_embedding({"A": np.array([0.5, 0.25])}, name="x"))
    assert "rounded_to_float32" in codes(as_embedding({"A": np.array([0.1, 0.25])}, name="x"))
    assert "rounded_to_float32" in codes(as_embedding({"A": np.array([2**24 + 1])}, name="x"))


def test_numbers_beyond_float32_are_an_error(dump):
    with pytest.raises(EmbeddingError, match=r"1 numbers beyond float32, the first 1e\+300 for 'A' in dimension 1"):
        as_embedding({"A": np.array([1.0, 1e300])}, name="x")
    with pytest.raises(EmbeddingError, match="beyond float32"):
        read_embedding(dump({"A": [1.0, 1e300]}))


def test_spreadsheet_dates_are_said_and_found_where_certain(table):
    embedding = as_embedding({**table, "2-Sep": np.ones(5), "1-Mar": np.full(5, 2.0)}, name="x")
    found = codes(embedding)["excel_dates"]
    assert (found.level, found.count, found.example) == ("warning", 2, "2-Sep")
    located = embedding.locate(["SEPTIN2", "SEPT2", "MARCHF1", "MTARC1"])
    assert located.keys == ("2-Sep", "2-Sep", "", "")
    assert located.how[0] == "excel_date"


@pytest.mark.parametrize("kind", [str, int, np.int64])
def test_numeric_names_are_said_and_found_as_entrez_ids(kind):
    embedding = as_embedding({kind(7157): [1.0, 2.0], kind(4609): [2.0, 1.0]}, name="x")
    assert codes(embedding)["numeric_names"].count == 2
    located = embedding.locate(["TP53", "MYC", "KRAS"])
    assert located.keys == ("7157", "4609", "")
    assert located.how == ("entrez", "entrez", "missing")


@pytest.mark.parametrize(
    ("names", "space"),
    [
        (["ENSG00000141510", "ENSG00000136997.21"], "ensembl"),
        (["ENSMUSG00000059552", "ENSG00000136997"], "ensembl"),
        (["ENSA", "TP53"], "symbol"),
        (["ENSG00000141510", "TP53"], "mixed"),
    ],
)
def test_identifiers_are_told_apart(names, space):
    embedding = as_embedding({name: [float(i), 1.0] for i, name in enumerate(names)}, name="x")
    assert embedding.card.id_space == space


def test_frames_keep_their_numbers_whatever_their_width():
    frame = pd.DataFrame({"gene": ["TP53", "MYC"], "a": [1, 2], "b": np.array([0.5, 1], np.float16), "c": [0.5, 2.0]})
    np.testing.assert_array_equal(
        as_embedding(frame, name="x", orientation="genes_as_rows").vectors, [[1, 0.5, 0.5], [2, 1, 2]]
    )
