"""Bad input: one line that says what is wrong and what to do, exit status 2, nothing written."""

from __future__ import annotations

import pickle
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from perturbridge.cli import main


def edit(path: Path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def values_of(file):
    return file["layers/counts"] if "layers/counts" in file else file["X"]


def set_value(value):
    def change(file):
        values_of(file)["data"][7] = value

    return change


def set_index(value):
    def change(file):
        values_of(file)["indices"][7] = value

    return change


def swap_indptr(file):
    indptr = values_of(file)["indptr"]
    indptr[3], indptr[4] = indptr[4] + 5, indptr[3]


def rewrite(path: Path, change):
    adata = ad.read_h5ad(path)
    changed = change(adata)
    (adata if changed is None else changed).write_h5ad(path)
    return path


def relabel_controls(adata):
    labels = adata.obs["perturbation"].astype(str)
    adata.obs["perturbation"] = labels.where(labels != "control", "WILDTYPE-X").astype("category")


def logged(adata):
    for place in [adata] + ([] if "counts" not in adata.layers else [adata.layers]):
        matrix = place.X if place is adata else place["counts"]
        dense = np.log1p(sp.csr_matrix(matrix).toarray().astype(np.float32) * 1.37)
        if place is adata:
            adata.X = sp.csr_matrix(dense)
        else:
            place["counts"] = sp.csr_matrix(dense)


def double_gene(adata):
    adata.var_names = [adata.var_names[0], *adata.var_names[:-1]]


def lonely(adata):
    labels = adata.obs["perturbation"].astype(str).to_numpy()
    name = next(label for label in labels if label != "control")
    kept = np.flatnonzero(labels == name)[1:]
    return adata[np.setdiff1d(np.arange(len(labels)), kept)].copy()


def empty(adata):
    return adata[:0].copy()


BROKEN = {
    "no control": (lambda p: rewrite(p, relabel_controls), r"control.*WILDTYPE-X"),
    "negative": (lambda p: edit(p, set_value(-3)), r"negative.*(cell|gene)"),
    "nan": (lambda p: edit(p, set_value(np.nan)), r"NaN.*(cell|gene)"),
    "infinite": (lambda p: edit(p, set_value(np.inf)), r"infinite.*(cell|gene)"),
    "index too large": (lambda p: edit(p, set_index(10**6)), r"1000000"),
    "index negative": (lambda p: edit(p, set_index(-2)), r"-2"),
    "indptr": (lambda p: edit(p, swap_indptr), r"indptr"),
    "duplicated gene": (lambda p: rewrite(p, double_gene), r"gene.*more than once|duplicate"),
    "one cell": (lambda p: rewrite(p, lonely), r"fewer than.*--min-cells.*--drop-small"),
    "empty": (lambda p: rewrite(p, empty), r"0 cells"),
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]) and p, r"cut short"),
    "no hdf5": (lambda p: p.write_bytes(b"hello") and p, r"not an HDF5|cannot be read"),
    "missing": (lambda p: p.with_name("none.h5ad"), r"none\.h5ad"),
}


def one_line(ended, pattern, tmp_path, before):
    assert ended.status == 2, ended.err
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.startswith("error: ")
    import re

    assert re.search(pattern, ended.err), ended.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("command", ["run", "pseudobulk"])
def test_broken_screens_stop_in_one_line_and_write_nothing(fault, command, call, screen, tmp_path):
    breaking, pattern = BROKEN[fault]
    path = breaking(screen)
    before = sorted(tmp_path.rglob("*"))
    one_line(
        call(command, path, "-o", tmp_path / ("out" if command == "run" else "out.h5ad")), pattern, tmp_path, before
    )


@pytest.mark.parametrize("command", ["run", "pseudobulk"])
def test_logged_values_passed_as_counts_are_refused(command, call, screen, tmp_path):
    rewrite(screen, logged)
    with h5py.File(screen) as file:
        place = "layers/counts" if "layers/counts" in file else "X"
    before = sorted(tmp_path.rglob("*"))
    out = tmp_path / ("out" if command == "run" else "out.h5ad")
    one_line(
        call(command, screen, "--place", place, "--x-is", "counts", "-o", out),
        r"said to hold counts, but looks like log1p.*Say x_is",
        tmp_path,
        before,
    )


def test_a_small_file_that_claims_80_gb_is_refused(call, tmp_path):
    path = tmp_path / "bomb.h5ad"
    n_cells, n_genes = 1_000_000, 20_000
    with h5py.File(path, "w") as file:
        file.attrs["encoding-type"], file.attrs["encoding-version"] = "anndata", "0.1.0"
        file.create_dataset("X", shape=(n_cells, n_genes), dtype="f4", chunks=(1000, 1000), compression="gzip")
        file["X"].attrs["encoding-type"], file["X"].attrs["encoding-version"] = "array", "0.2.0"
        for axis, n in (("obs", n_cells), ("var", n_genes)):
            group = file.create_group(axis)
            group.attrs.update(
                {
                    "encoding-type": "dataframe",
                    "encoding-version": "0.2.0",
                    "_index": "_index",
                    "column-order": ["perturbation"],
                }
            )
            group.create_dataset("_index", shape=(n,), dtype="S8", chunks=(n,), compression="gzip")
            group.create_dataset("perturbation", shape=(n,), dtype="S8", chunks=(n,), compression="gzip")
    assert path.stat().st_size < 200_000
    before = sorted(tmp_path.rglob("*"))
    ended = call("pseudobulk", path, "-o", tmp_path / "out.h5ad")
    one_line(ended, r"GB", tmp_path, before)


class Payload:
    def __reduce__(self):
        return (Path.touch, (Path("pwned"),))


@pytest.mark.parametrize("command", ["run", "inspect", "convert"])
def test_a_pickle_that_runs_code_is_refused(command, call, screen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad = tmp_path / "genept.pickle"
    bad.write_bytes(pickle.dumps({"TP53": Payload()}))
    before = sorted(tmp_path.rglob("*"))
    calls = {
        "run": ("run", screen, "-e", bad, "-o", tmp_path / "out"),
        "inspect": ("inspect", screen, "-e", bad),
        "convert": ("embed", "convert", bad, "-o", tmp_path / "out.safetensors"),
    }
    one_line(call(*calls[command]), r"pickle|refuse", tmp_path, before)


def test_an_embedding_without_any_perturbed_gene_is_refused(call, screen, tmp_path):
    table = tmp_path / "mouse.csv"
    table.write_text("gene,d1,d2\nNotagene1,0.1,0.2\nNotagene2,0.3,0.1\nNotagene3,0.5,0.4\n")
    before = sorted(tmp_path.rglob("*"))
    one_line(
        call("run", screen, "-e", table, "-o", tmp_path / "out"),
        r"None of the 24 perturbed genes.*Notagene1",
        tmp_path,
        before,
    )


def test_a_file_that_exists_is_not_overwritten_unasked(call, screen, tmp_path):
    out = tmp_path / "out.h5ad"
    out.write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    one_line(call("pseudobulk", screen, "-o", out), "exists already", tmp_path, before)
    assert out.read_text() == "mine"


def test_control_characters_in_a_name_reach_the_terminal_escaped(call, tmp_path):
    ended = call("pseudobulk", tmp_path / "\x1b[31mred\n.h5ad", "-o", tmp_path / "o.h5ad")
    assert ended.status == 2
    assert "\x1b" not in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("argv", [["frob"], ["run"], ["run", "a.h5ad", "-o", "x", "--folds", "1"], []])
def test_wrong_usage_ends_with_status_2(argv, capsys):
    assert main(argv) == 2
