"""Text tables: what is found by itself, what must be asked, what is refused."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from perturbridge.embeddings import _read_text, as_embedding, read_embedding
from perturbridge.errors import EmbeddingError


def _write(tmp_path, text, name="x.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("gene,0,1,2\nTP53,1,2,3\nMYC,4,5,6\n", "rows"),
        (",TP53,MYC\n0,1,4\n1,2,5\n2,3,6\n", "columns"),
        ("TP53,MYC\n1,4\n2,5\n3,6\n", "columns"),
        ("dim,Trp53,Myc\ndim_0,1,4\ndim_1,2,5\ndim_2,3,6\n", "columns"),
        ("name,f1,f2,f3\nyfg1,1,2,3\nyfg2,4,5,6\n", "rows"),
    ],
)
def test_orientation_is_found_and_said(text, axis, tmp_path):
    embedding = read_embedding(_write(tmp_path, text))
    np.testing.assert_array_equal(embedding.vectors, [[1, 2, 3], [4, 5, 6]])
    assert [f.code for f in embedding.findings] == [f"genes_as_{axis}"]


def test_orientation_that_does_not_show_must_be_asked(tmp_path):
    path = _write(tmp_path, "name,alpha,beta\nyfg1a,1,2\nyfg2b,4,5\n")
    with pytest.raises(EmbeddingError, match="does not tell whether genes are rows") as caught:
        read_embedding(path)
    assert "orientation=" in caught.value.cure
    assert read_embedding(path, orientation="genes_as_rows").genes == ("yfg1a", "yfg2b")
    assert read_embedding(path, orientation="genes_as_columns").genes == ("alpha", "beta")


def test_genes_called_like_dimensions_are_told_by_the_table_of_names():
    frame = pd.DataFrame(np.arange(12.0).reshape(4, 3) + 1, index=["F2", "F3", "F5", "F7"], columns=["f2", "f3", "f4"])
    assert as_embedding(frame, name="x").genes == ("F2", "F3", "F5", "F7")
    assert as_embedding(frame.T, name="x").genes == ("F2", "F3", "F5", "F7")


def test_a_gene_called_na_stays_a_gene(tmp_path):
    path = _write(tmp_path, "gene,dim_0,dim_1\nNA,1,2\nnan,3,4\nTP53,NA,NaN\n")
    embedding = read_embedding(path)
    assert embedding.genes == ("NA", "nan")
    assert [f.code for f in embedding.findings] == ["genes_as_rows", "nan_vectors"]


def test_missing_numbers_in_part_are_an_error(tmp_path):
    with pytest.raises(EmbeddingError, match="the first 'TP53' with nan in dimension 1"):
        read_embedding(_write(tmp_path, "gene,dim_0,dim_1\nMYC,1,2\nTP53,3,\n"))
    with pytest.raises(EmbeddingError, match="the first 'TP53' with nan in dimension 1"):
        read_embedding(_write(tmp_path, "gene,dim_0,dim_1\nMYC,1,2\nTP53,3\n"))


def test_text_among_numbers_is_named(tmp_path):
    with pytest.raises(EmbeddingError, match="'oops' in data row 2, column 3"):
        read_embedding(_write(tmp_path, "TP53 1.5 2\nMYC 3 oops\n", "x.txt"))


def test_lines_of_different_length_are_refused(tmp_path):
    with pytest.raises(EmbeddingError, match="not a table"):
        read_embedding(_write(tmp_path, "gene,dim_0,dim_1\nTP53,1,2\nMYC,1,2,3,4\n"))


def test_several_text_columns_need_a_title(tmp_path):
    path = _write(tmp_path, "what,which,dim_0,dim_1\na,TP53,1,2\nb,MYC,3,4\n")
    with pytest.raises(EmbeddingError, match="2 text columns and none is named like gene names"):
        read_embedding(path)
    embedding = read_embedding(_write(tmp_path, "what,gene_symbol,dim_0,dim_1\na,TP53,1,2\nb,MYC,3,4\n"))
    assert embedding.genes == ("TP53", "MYC")
    assert "left_out" in [f.code for f in embedding.findings]


def test_a_table_without_numbers_is_refused(tmp_path):
    with pytest.raises(EmbeddingError, match="no numbers"):
        read_embedding(_write(tmp_path, "gene,summary\nTP53,tumor protein\nMYC,factor\n"))


def test_word2vec_that_claims_too_much_is_refused(tmp_path):
    with pytest.raises(EmbeddingError, match="claims 2,000,000,000,000 numbers"):
        read_embedding(_write(tmp_path, "1000000000000 2\nTP53 1 2\n", "x.txt"))


def test_text_that_is_not_utf8_is_an_error(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"gene,dim_0,dim_1\n" + b"TP53,1,2\n" * 600 + b"caf\xe9,1,2\n")
    with pytest.raises(EmbeddingError, match=r"not readable text.*position 5"):
        read_embedding(path)


def test_a_gzip_that_unpacks_without_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(_read_text, "_MAX_BYTES", 1 << 20)
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"gene,dim_0,dim_1\nTP53,1,2\n" + b"MYC,1,2\n" * (1 << 18)))
    assert path.stat().st_size < 10_000
    with pytest.raises(EmbeddingError, match="unpacks to more than"):
        read_embedding(path)


def test_a_quoted_name_may_hold_the_separator(tmp_path):
    embedding = read_embedding(_write(tmp_path, 'gene,dim_0,dim_1\n"A,B",1,2\nTP53,3,4\nMYC,5,6\n'))
    assert embedding.genes == ("A,B", "TP53", "MYC")
