"""Arrays, torch files and h5ad: conventions that differ, claims that are false, payloads that would run."""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save_file

from perturbridge.embeddings import _raw, read_embedding
from perturbridge.errors import EmbeddingError


class Payload:
    def __reduce__(self):
        return os.system, ("touch PWNED",)


def _header(shape, descr="<f4", data=b"\0" * 16):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue() + data


@pytest.mark.parametrize("form", ["pickle", "npy", "npz", "torch", "npz names"])
def test_a_payload_is_refused_in_every_container(form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x"
    objects = np.array({"TP53": Payload()}, dtype=object)
    if form == "pickle":
        path.write_bytes(pickle.dumps({"TP53": Payload()}))
    elif form == "torch":
        torch.save({"TP53": Payload()}, path)
    else:
        with path.open("wb") as handle:
            if form == "npy":
                np.save(handle, objects)
            elif form == "npz":
                np.savez(handle, objects)
            else:
                np.savez(handle, genes=np.array([Payload()], dtype=object), vectors=np.ones((1, 2)))
    with pytest.raises(EmbeddingError, match=r"(posix|nt)\.system.*nothing was run"):
        read_embedding(path)
    assert not (tmp_path / "PWNED").exists()


def test_a_payload_in_an_old_torch_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"TP53": Payload()}, tmp_path / "x", _use_new_zipfile_serialization=False)
    with pytest.raises(EmbeddingError, match="cannot be read as weights alone"):
        read_embedding(tmp_path / "x")
    assert not (tmp_path / "PWNED").exists()


def test_arrays_in_an_old_torch_file_get_a_cure(tmp_path):
    torch.save({"TP53": np.ones(2)}, tmp_path / "x", _use_new_zipfile_serialization=False)
    with pytest.raises(EmbeddingError, match="cannot be read as weights alone") as caught:
        read_embedding(tmp_path / "x")
    assert "tensors" in caught.value.cure


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 30, 1 << 30), (100,)])
def test_an_array_that_claims_more_than_there_is(shape, tmp_path):
    (tmp_path / "x").write_bytes(_header(shape))
    with pytest.raises(EmbeddingError, match=r"claims .* numbers in"):
        read_embedding(tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "y", "w") as archive:
        archive.writestr("TP53.npy", _header(shape))
    with pytest.raises(EmbeddingError, match=r"claims .* numbers in"):
        read_embedding(tmp_path / "y")


def test_a_negative_shape_is_damage(tmp_path):
    (tmp_path / "x").write_bytes(_header((-1,)))
    with pytest.raises(EmbeddingError, match="damaged"):
        read_embedding(tmp_path / "x")


def test_an_npz_larger_than_any_embedding(tmp_path, monkeypatch):
    monkeypatch.setattr(_raw, "MAX_VALUES", 1000)
    np.savez_compressed(tmp_path / "x.npz", genes=np.array(["TP53"]), vectors=np.zeros((1, 5000)))
    with pytest.raises(EmbeddingError, match="the limit is 1,000"):
        read_embedding(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.ones((2, 3))}, r"holds a float64 \(2, 3\)"),
        ({"genes": np.array(["TP53"]), "v": np.ones((2, 3))}, "holds genes"),
        ({"genes": np.array(["A", "B"]), "v": np.ones((2, 3)), "w": np.ones((2, 4))}, "2 pairs of names and matrix"),
        ({"genes": np.array(["A", "B"])}, "holds genes"),
    ],
)
def test_an_npz_that_fits_no_convention_lists_its_arrays(arrays, message, tmp_path):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(EmbeddingError, match=message):
        read_embedding(tmp_path / "x.npz")


def test_other_arrays_of_an_npz_are_said(tmp_path):
    np.savez(tmp_path / "x.npz", genes=np.array(["A", "B"]), vectors=np.ones((2, 3)), version=np.array(2))
    (found,) = [f for f in read_embedding(tmp_path / "x.npz").findings if f.code == "left_out"]
    assert (found.count, found.example) == (1, "version")


def test_a_gene_twice_in_an_npz(tmp_path):
    one = b"\0\0\x80\x3f"
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        archive.writestr("TP53.npy", _header((4,), data=one * 4))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("TP53.npy", _header((4,), data=one + b"\0" * 12))
    with pytest.raises(EmbeddingError, match="different vectors under the name 'TP53'"):
        read_embedding(tmp_path / "x")


def test_a_plain_array_has_no_names(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    with pytest.raises(EmbeddingError, match=r"ndarray of shape \(3, 2\), not a dict"):
        read_embedding(tmp_path / "x.npy")


def test_a_model_is_not_an_embedding(tmp_path):
    torch.save(torch.nn.Embedding(3, 2).state_dict(), tmp_path / "x.pt")
    with pytest.raises(EmbeddingError, match=r"no vector for 'weight' but ndarray of shape \(3, 2\)"):
        read_embedding(tmp_path / "x.pt")


def test_a_parquet_that_claims_too_much_is_refused_before_it_is_read(tmp_path, monkeypatch):
    # A run-length encoded column: 10 million numbers in a hundredth of their size.
    table = pa.table({"gene": pa.array(["a"] * 10_000_000).dictionary_encode(), "d": np.zeros(10_000_000, np.float32)})
    pq.write_table(table, tmp_path / "x.parquet", compression="zstd")
    assert (tmp_path / "x.parquet").stat().st_size < 100_000
    monkeypatch.setattr(_raw, "MAX_VALUES", 1_000_000)
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *a, **k: pytest.fail("values were read"))
    with pytest.raises(EmbeddingError, match="claims 20,000,000 numbers"):
        read_embedding(tmp_path / "x.parquet")


def test_a_parquet_with_ragged_lists_names_the_gene(tmp_path):
    pd.DataFrame({"gene": ["TP53", "MYC", "KRAS"], "v": [[1.0, 2], [1.0, 3], [1.0]]}).to_parquet(tmp_path / "x")
    with pytest.raises(EmbeddingError, match="the first is 'KRAS' with 1"):
        read_embedding(tmp_path / "x")


def test_a_parquet_with_two_list_columns_is_refused(tmp_path):
    pd.DataFrame({"gene": ["TP53"], "v": [[1.0]], "w": [[1.0]]}).to_parquet(tmp_path / "x")
    with pytest.raises(EmbeddingError, match="2 columns of lists"):
        read_embedding(tmp_path / "x")


def _h5(path, **changes):
    with h5py.File(path, "w") as file:
        parts = {"X": np.ones((2, 3), np.float32), "obs": ["TP53", "MYC"], "var": ["0", "1", "2"], **changes}
        for part, value in parts.items():
            if part == "X" and isinstance(value, dict):
                group = file.create_group("X")
                group.attrs["encoding-type"] = "csr_matrix"
                for name, array in value.items():
                    group[name] = array
            elif part == "X":
                file["X"] = value
            elif value is not None:
                file.create_group(part).create_dataset("_index", data=value, dtype=h5py.string_dtype())
                file[part].attrs["_index"] = "_index"


CSR = {"indptr": np.array([0, 1, 2]), "indices": np.array([0, 2]), "data": np.array([1.0, 2.0])}


def test_a_sparse_h5ad_is_read_and_repeats_are_summed(tmp_path):
    _h5(
        tmp_path / "x", X={"indptr": np.array([0, 2, 3]), "indices": np.array([0, 0, 2]), "data": np.array([1.0, 1, 2])}
    )
    np.testing.assert_array_equal(read_embedding(tmp_path / "x").vectors, [[2, 0, 0], [0, 0, 2]])


@pytest.mark.parametrize(
    "damage",
    [
        {"indices": np.array([0, 3])},
        {"indices": np.array([0, -1])},
        {"indptr": np.array([0, 2, 1])},
        {"indptr": np.array([0, 1, 9])},
        {"indptr": np.array([1, 1, 2])},
        {"indptr": np.array([0, 2])},
    ],
    ids=str,
)
def test_a_sparse_h5ad_with_false_indices_is_refused(damage, tmp_path):
    _h5(tmp_path / "x", X={**CSR, **damage})
    with pytest.raises(EmbeddingError, match="damaged or not what"):
        read_embedding(tmp_path / "x")


def test_hdf5_of_another_kind_says_what_it_holds(tmp_path):
    with h5py.File(tmp_path / "x", "w") as file:
        file["weights"] = np.ones(3)
    with pytest.raises(EmbeddingError, match="HDF5 without X, obs, var; it holds 'weights'"):
        read_embedding(tmp_path / "x")


def test_a_small_h5ad_that_claims_gigabytes_is_refused(tmp_path):
    names = {"shape": (100_000,), "dtype": h5py.string_dtype(), "chunks": (1000,)}
    with h5py.File(tmp_path / "x", "w") as file:
        file.create_dataset("X", shape=(100_000, 100_000), dtype="f8", chunks=(1000, 1000))
        for part in ("obs", "var"):
            file.create_group(part).create_dataset("_index", **names)
            file[part].attrs["_index"] = "_index"
    assert (tmp_path / "x").stat().st_size < 100_000
    with pytest.raises(EmbeddingError, match="claims 10,000,000,000 numbers"):
        read_embedding(tmp_path / "x")


def test_safetensors_without_names_is_refused(tmp_path):
    save_file({"weight": np.ones((3, 2), np.float32)}, tmp_path / "x")
    with pytest.raises(EmbeddingError, match="no gene names"):
        read_embedding(tmp_path / "x")
    save_file({"a": np.ones((3, 2), np.float32)}, tmp_path / "x", metadata={"genes": '["A", "B"]'})
    with pytest.raises(EmbeddingError, match="2 names for 3 vectors"):
        read_embedding(tmp_path / "x")
