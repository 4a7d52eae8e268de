"""Files that are no embedding say what they are and what to do."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile

import pytest

from perturbridge.embeddings import read_embedding
from perturbridge.errors import EmbeddingError

CASES = {
    "empty": (b"", "is empty"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "Git LFS"),
    "html": (b"<!DOCTYPE html><html>404</html>", "HTML page"),
    "json texts": (b'{"TP53": "Gene Symbol TP53 This gene encodes"}', "JSON"),
    "bzip2": (bz2.compress(b"gene,1\n" * 9), "bzip2"),
    "xz": (lzma.compress(b"gene,1\n" * 9), "xz"),
    "arrow": (b"ARROW1\0\0" + b"\0" * 64, "Arrow"),
    "noise": (bytes(range(255, 100, -1)) * 4, "no kind that is known"),
    "damaged zip": (b"PK\x03\x04" + b"\0" * 50, "damaged"),
    "damaged gzip": (gzip.compress(b"gene,dim_0,dim_1\n" * 400)[:30], "damaged"),
    "gzip of a pickle": (gzip.compress(b"\x80\x04}\x94."), "no kind that is known"),
    "cut parquet": (b"PAR1" + b"\0" * 40, "damaged"),
    "cut hdf5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 40, "damaged"),
    "cut npy": (b"\x93NUMPY\x01\x00v\x00{'descr'", "damaged"),
    "cut safetensors": ((40).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[4],', "damaged"),
    "empty dict": (b"\x80\x02}.", "empty dict"),
    "words": (b"these are not columns\n\n", "without columns"),
}


@pytest.mark.parametrize("case", CASES)
def test_says_what_the_file_is(case, tmp_path):
    data, message = CASES[case]
    path = tmp_path / "file.pickle"
    path.write_bytes(data)
    with pytest.raises(EmbeddingError, match=message) as caught:
        read_embedding(path)
    assert str(path) in caught.value.problem
    assert caught.value.cure


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(EmbeddingError, match="cannot be read"):
        read_embedding(tmp_path / "absent.pickle")
    with pytest.raises(EmbeddingError, match=r"holds 0 \.npy files"):
        read_embedding(tmp_path)


def test_the_archive_of_genept_is_to_be_unpacked(tmp_path):
    path = tmp_path / "GenePT_emebdding_v2.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("GenePT_emebdding_v2/GenePT_gene_embedding_ada_text.pickle", b"\x80\x04}.")
    with pytest.raises(EmbeddingError, match=r"ada_text\.pickle") as caught:
        read_embedding(path)
    assert "Unpack" in caught.value.cure
