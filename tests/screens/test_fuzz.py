"""Mutated files: each ends in a screen whose every row is valid, or in our error; nothing else, and never a dead interpreter."""

from __future__ import annotations

import shutil
from itertools import pairwise

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from perturbridge.errors import DataError
from perturbridge.screens import describe_screen, pseudobulk, read_screen

N_MUTATIONS = 130
NUMBERS = np.array([0, 1, -1, 2, 7, 127, -128, 255, 10**6, 2**31 - 1, -(2**31), 2**62, -(2**62)], dtype=np.int64)
TEXTS = ("", "csr_matrix", "csc_matrix", "categorical", "dataframe", "nonsense", "é" * 50, "..", "X", "_index")


def base(path, layout):
    from anndata import AnnData

    rng = np.random.default_rng(3)
    x = rng.poisson(0.8, size=(40, 9)).astype(np.float32)
    x[:, 0] += 1
    matrix = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[layout](x)
    obs = pd.DataFrame(
        {
            "condition": pd.Categorical(["ctrl", "A+ctrl", "B+ctrl", "A+B"] * 10),
            "batch": [f"b{i // 4 % 2}" for i in range(40)],
        },
        index=[f"cell{i}" for i in range(40)],
    )
    var = pd.DataFrame(
        {"gene_name": ["A", "B", *(f"S{i}" for i in range(7))]}, index=[f"ENSG{i:011d}" for i in range(9)]
    )
    AnnData(matrix, obs=obs, var=var, layers={"other": matrix * 2}).write_h5ad(path)


def members(file):
    found = []
    file.visititems(lambda name, item: found.append((name, isinstance(item, h5py.Dataset))))
    return found


def new_value(rng, old):
    """Return a value of the same type as an entry, unlikely to be right."""
    if isinstance(old, bytes | str):
        return TEXTS[rng.integers(len(TEXTS))]
    kind = np.asarray(old).dtype
    if kind.kind == "f":
        return rng.choice([np.nan, np.inf, -np.inf, -1.0, 1e30, 0.5])
    if kind.kind in "iu":
        return NUMBERS.astype(kind)[rng.integers(len(NUMBERS))]
    return old


def change_entries(rng, file, name):
    item = file[name]
    if not item.size or item.ndim == 0:
        return
    values = item[()]
    for _ in range(rng.integers(1, 4)):
        at = tuple(int(rng.integers(n)) for n in values.shape)
        values[at] = new_value(rng, values[at])
    item[...] = values


def cut_or_grow(rng, file, name):
    item = file[name]
    if item.ndim != 1 or not item.size:
        return
    values, attrs = item[()], dict(item.attrs)
    values = values[: rng.integers(0, len(values))] if rng.random() < 0.5 else np.concatenate([values, values[:1]])
    replace(file, name, values, attrs)


def retype(rng, file, name):
    item = file[name]
    attrs = dict(item.attrs)
    choices = (
        np.zeros(item.shape, dtype="f4"),
        np.ones(item.shape, dtype="i8"),
        np.full(item.shape, b"x"),
        np.zeros((2, 2, 2)),
        np.float64(1),
    )
    replace(file, name, choices[rng.integers(len(choices))], attrs)


def replace(file, name, values, attrs):
    del file[name]
    dtype = h5py.string_dtype() if np.asarray(values).dtype.kind == "O" else None
    file.create_dataset(name, data=values, dtype=dtype)
    for key, value in attrs.items():
        file[name].attrs[key] = value


def remove(rng, file, name):
    del file[name]


def swap_for_group(rng, file, name):
    del file[name]
    file.create_group(name)


def change_attribute(rng, file, name):
    attrs = file[name].attrs
    if not len(attrs):
        return
    key = sorted(attrs)[rng.integers(len(attrs))]
    old = attrs[key]
    how = rng.integers(4)
    if how == 0:
        del attrs[key]
    elif how == 1:
        attrs[key] = TEXTS[rng.integers(len(TEXTS))]
    elif how == 2:
        attrs[key] = NUMBERS[rng.integers(len(NUMBERS), size=rng.integers(0, 4))]
    elif isinstance(old, np.ndarray) and old.dtype.kind in "iu" and len(old):
        old[rng.integers(len(old))] = new_value(rng, old[0])
        attrs[key] = old


def redirect(rng, file, name):
    del file[name]
    links = (
        h5py.SoftLink(f"/{name}"),
        h5py.SoftLink("/nowhere"),
        h5py.ExternalLink("gone.h5", "/x"),
        h5py.SoftLink("/obs"),
    )
    file[name] = links[rng.integers(len(links))]


ON_ARRAYS = (change_entries, change_entries, change_entries, cut_or_grow, retype)
ON_ALL = (change_attribute, change_attribute, remove, swap_for_group, redirect)


def mutate(path, rng):
    with h5py.File(path, "r+") as file:
        for _ in range(rng.integers(1, 3)):
            found = members(file)
            if not found:
                return
            name, is_array = found[rng.integers(len(found))]
            changes = ON_ARRAYS + ON_ALL if is_array else ON_ALL
            changes[rng.integers(len(changes))](rng, file, name)


def check_rows(screen):
    n_cells, n_genes = screen.source.shape
    for start in range(0, n_cells, 16):
        chunk = screen.source.read_rows(start, min(start + 16, n_cells))
        assert chunk.indptr[0] == 0
        assert (np.diff(chunk.indptr) >= 0).all()
        assert chunk.indptr[-1] == len(chunk.indices) == len(chunk.data)
        assert np.isfinite(chunk.data).all()
        assert (chunk.data >= 0).all()
        assert ((chunk.indices >= 0) & (chunk.indices < n_genes)).all()
        for a, b in pairwise(chunk.indptr):
            assert (np.diff(chunk.indices[a:b]) > 0).all()


@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
def test_a_mutated_file_is_read_right_or_refused(tmp_path, layout):
    whole = tmp_path / "whole.h5ad"
    base(whole, layout)
    check_rows(read_screen(whole))
    rng = np.random.default_rng({"csr": 0, "csc": 1, "dense": 2}[layout])
    outcomes, refusals = {"read": 0, "refused": 0}, []
    for _ in range(N_MUTATIONS):
        path = tmp_path / "mutated.h5ad"
        shutil.copy(whole, path)
        mutate(path, rng)
        try:
            screen = read_screen(path)
            check_rows(screen)
            describe_screen(screen)
            pseudobulk(screen, on_few="drop")
            outcomes["read"] += 1
        except DataError as error:
            refusals.append(error)
            outcomes["refused"] += 1
    for error in refusals:
        assert error.problem
        assert error.cure
        assert "\n" not in str(error)
    # Both happen: the fuzzer neither breaks everything nor misses everything.
    assert min(outcomes.values()) > N_MUTATIONS // 10, outcomes


def test_a_file_cut_anywhere_is_refused(tmp_path):
    whole = tmp_path / "whole.h5ad"
    base(whole, "csr")
    content = whole.read_bytes()
    path = tmp_path / "cut.h5ad"
    for length in np.linspace(0, len(content) - 1, 25).astype(int).tolist():
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"is cut short|is not an HDF5 file"):
            read_screen(path)
