from __future__ import annotations

import sys
from types import ModuleType

import h5py
import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.screens import read_screen
from perturbridge.screens.files._h5 import data_set, open_file, read_all


def test_missing_foreign_empty_and_cut_files(tmp_path, make_adata, write_h5ad):
    with pytest.raises(DataError, match=r"There is no file"):
        read_screen(tmp_path / "absent.h5ad")
    for name, content in (("text.h5ad", b"not hdf5"), ("empty.h5ad", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=r"is not an HDF5 file"):
            read_screen(tmp_path / name)
    whole = write_h5ad(make_adata()).read_bytes()
    (tmp_path / "cut.h5ad").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"is cut short"):
        read_screen(tmp_path / "cut.h5ad")


def claim(path, shape, *, virtual):
    """Write a small file whose X claims to be huge: chunks that were never written, or a view of nothing."""
    with h5py.File(path, "w") as file:
        if virtual:
            layout = h5py.VirtualLayout(shape=shape, dtype="f4")
            layout[0] = h5py.VirtualSource(str(path.with_name("nowhere.h5")), "X", shape=shape[1:])
            file.create_virtual_dataset("X", layout)
        else:
            file.create_dataset("X", shape=shape, dtype="f4", chunks=(1, 1))
        for name, n in (("obs", shape[0]), ("var", shape[1])):
            group = file.create_group(name)
            group.attrs["_index"] = "_index"
            group.create_dataset("_index", shape=(n,), dtype="S1", chunks=(1,), fillvalue=b"a")
    return path


@pytest.mark.parametrize("virtual", [True, False])
def test_a_small_file_that_claims_80_gb_is_refused_before_memory_is_taken(tmp_path, virtual):
    path = claim(tmp_path / "bomb.h5ad", (2_500_000, 8000), virtual=virtual)
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match=r"'/X' claims 80.0 GB, but .* holds \d+ kB"):
        read_screen(path)


def test_a_huge_gene_or_cell_table_is_refused(tmp_path):
    path = claim(tmp_path / "bomb.h5ad", (2, 2), virtual=False)
    with h5py.File(path, "r+") as file:
        del file["obs/_index"]
        file["obs"].create_dataset("_index", shape=(10**12,), dtype="S1", chunks=(10_000,))
    with pytest.raises(DataError, match=r"'/obs/_index' claims 1000.0 GB"):
        read_screen(path)


def test_values_kept_in_another_file_are_refused(tmp_path):
    (tmp_path / "secret.bin").write_bytes(b"0" * 64)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("X", shape=(16,), dtype="f4", external=[(str(tmp_path / "secret.bin"), 0, 64)])
    with open_file(tmp_path / "a.h5") as file, pytest.raises(DataError, match=r"keeps its values in another file"):
        data_set(file, "X")


def packed_with_an_unknown_filter(path):
    """Write a chunk that says it went through filter 32015 (zstd), which HDF5 does not bring along."""
    with h5py.File(path, "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((10,))
        plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        made = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((10,)), dcpl=plan)
        made.write_direct_chunk((0,), b"\0" * 40, filter_mask=0)
    return path


def test_an_unknown_compression_says_what_to_install(tmp_path):
    path = packed_with_an_unknown_filter(tmp_path / "a.h5")
    with pytest.raises(DataError, match=r"Install hdf5plugin"), open_file(path) as file:
        read_all(data_set(file, "x"))


def test_hdf5plugin_is_used_where_it_is_installed(tmp_path, monkeypatch):
    asked = []

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "hdf5plugin":
                asked.append(name)

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "hdf5plugin", raising=False)
    path = packed_with_an_unknown_filter(tmp_path / "a.h5")
    with pytest.raises(DataError), open_file(path) as file:
        read_all(data_set(file, "x"))
    assert asked == ["hdf5plugin"]
    monkeypatch.setitem(sys.modules, "hdf5plugin", ModuleType("hdf5plugin"))
    with pytest.raises(DataError, match=r"compressed with a filter"), open_file(path) as file:
        read_all(data_set(file, "x"))


def test_a_file_that_changes_under_the_reader_is_noticed(make_adata, write_h5ad):
    path = write_h5ad(make_adata())
    source = read_screen(path).source
    with h5py.File(path, "r+") as file:
        for part in ("data", "indices"):
            kept = file[f"X/{part}"][:-1]
            del file[f"X/{part}"]
            file[f"X/{part}"] = kept
    with pytest.raises(DataError, match=r"has changed since it was opened"):
        source.read_rows(0, 2)
    path.unlink()
    with pytest.raises(DataError, match=r"There is no file"):
        source.read_rows(0, 2)


def test_one_error_line_whatever_h5py_says(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(DataError) as caught, open_file(tmp_path / "a.h5"):
        raise OSError("two\nlines")
    assert "\n" not in str(caught.value)
