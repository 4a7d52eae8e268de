"""Pseudo-bulk of a simulated CSR h5ad (200k cells x 8k genes, 2,000 conditions, 48 contexts), each contender in a fresh process.

`cpu_s` and `peak_mb` are those of the whole process, interpreter, imports and compilation included; `work_cpu_s` is the same
computation, reading included, after a small warm-up in the same process. `max_diff` is the largest difference between a
contender's Δ and ours; where Δ is not context-matched, that of the plain Δ computed from our sums.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ._contender import measure, peak_mb

SIZES = {
    False: {"n_cells": 200_000, "n_genes": 8_000, "n_conditions": 2_000, "n_contexts": 48},
    True: {"n_cells": 10_000, "n_genes": 1_000, "n_conditions": 100, "n_contexts": 12},
}
SMALL = {"n_cells": 600, "n_genes": 50, "n_conditions": 5, "n_contexts": 2}
MODULE = "tests.benchmarks._pseudobulk"


def run(*, quick: bool) -> list[dict]:
    """Measure every contender; PERTURBRIDGE_BENCHMARK_DIR names a folder where the simulated file is kept between runs."""
    kept = os.environ.get("PERTURBRIDGE_BENCHMARK_DIR")
    repeats = 1 if quick else 3
    rows = []
    with tempfile.TemporaryDirectory(dir=kept) as scratch:
        large = Path(kept or scratch) / f"large-{SIZES[quick]['n_cells']}.h5ad"
        small = Path(scratch) / "small.h5ad"
        for path, sizes in ((large, SIZES[quick]), (small, SMALL)):
            if not path.exists():
                measure(MODULE, "simulate", str(path), json.dumps(sizes))
        for name, (label, _) in CONTENDERS.items():
            out = str(Path(scratch) / f"{name}.npy")
            environment = {"NUMBA_CACHE_DIR": str(Path(scratch) / f"compiled-{name}")}
            if name == "ours":
                cold = measure(MODULE, "contend", name, str(large), str(small), out, environment=environment)
                rows.append({"contender": f"{label}, compiler cache cold", **cold})
            # An untimed run on the small file fills the compiler's cache, for every contender alike.
            measure(MODULE, "contend", name, str(small), str(small), "", environment=environment)
            arguments = (MODULE, "contend", name, str(large), str(small), out)
            figures = measure(*arguments, environment=environment, repeats=repeats)
            rows.append({"contender": label, **figures, "max_diff": _difference(scratch, name)})
        floor = measure(MODULE, "contend", "read", str(large), str(small), "", repeats=repeats)
    rows.append({"contender": "floor: h5py reads data and indices, nothing is computed", **floor})
    ours = rows[1]
    for row in rows:
        row["cpu ratio"], row["memory ratio"] = ours["cpu_s"] / row["cpu_s"], ours["peak_mb"] / row["peak_mb"]
        row["work ratio"] = ours["work_cpu_s"] / row["work_cpu_s"]
    return rows


def _difference(scratch: str, name: str) -> float:
    mine = "ours" if CONTENDERS[name][1] == "matched" else "ours_plain"
    first, second = (np.load(Path(scratch) / f"{n}.npy", mmap_mode="r") for n in (mine, name))
    return float(max(np.abs(a - b).max() for a, b in zip(first, second, strict=True)))


def _ours(path: str) -> np.ndarray:
    from perturbridge.screens import pseudobulk, read_screen

    return pseudobulk(read_screen(path)).delta


def _ours_plain(path: str) -> np.ndarray:
    from perturbridge.screens import pseudobulk, read_screen

    return pseudobulk(read_screen(path, context="none")).delta


def _scanpy(path: str):
    import scanpy as sc

    adata = sc.read_h5ad(path)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return sc, adata


def _conditions(adata) -> list[str]:
    return sorted(set(adata.obs["perturbation"].cat.categories) - {"control"})


def _weights(adata, conditions: list[str]) -> np.ndarray:
    import pandas as pd

    table = pd.crosstab(adata.obs["perturbation"], adata.obs["context"]).loc[conditions]
    return (table.to_numpy() / table.to_numpy().sum(axis=1, keepdims=True)), list(table.columns)


def _scanpy_two(path: str) -> np.ndarray:
    """The thrifty way: as few groups as we sum."""
    sc, adata = _scanpy(path)
    conditions = _conditions(adata)
    weights, contexts = _weights(adata, conditions)
    means = sc.get.aggregate(adata, by="perturbation", func="mean")
    controls = sc.get.aggregate(adata[adata.obs["perturbation"] == "control"], by="context", func="mean")
    return means[conditions].layers["mean"] - weights @ controls[contexts].layers["mean"]


def _scanpy_both(path: str) -> np.ndarray:
    """The obvious way: a mean for every condition in every context."""
    from scipy import sparse

    sc, adata = _scanpy(path)
    conditions = _conditions(adata)
    weights, contexts = _weights(adata, conditions)
    both = sc.get.aggregate(adata, by=["perturbation", "context"], func="mean")
    row = {name: i for i, name in enumerate(conditions)}
    column = {name: i for i, name in enumerate(contexts)}
    condition = np.array([row.get(name, -1) for name in both.obs["perturbation"]])
    context = np.array([column[name] for name in both.obs["context"]])
    means = both.layers["mean"]
    control = np.zeros((len(contexts), means.shape[1]))
    control[context[condition < 0]] = means[condition < 0]
    treated = np.flatnonzero(condition >= 0)
    place = (condition[treated], context[treated])
    joined = sparse.csr_matrix((weights[place], (place[0], treated)), shape=(len(conditions), len(means)))
    return joined @ means - weights @ control


def _masks(adata, column: str, values: list[str]) -> np.ndarray:
    labels = adata.obs[column]
    return np.stack([np.asarray(adata.X[(labels == value).to_numpy()].mean(axis=0)).ravel() for value in values])


def _loop(path: str) -> np.ndarray:
    _, adata = _scanpy(path)
    conditions = _conditions(adata)
    weights, contexts = _weights(adata, conditions)
    control = _masks(adata[adata.obs["perturbation"] == "control"], "context", contexts)
    return _masks(adata, "perturbation", conditions) - weights @ control


def _scanpy_plain(path: str) -> np.ndarray:
    sc, adata = _scanpy(path)
    means = sc.get.aggregate(adata, by="perturbation", func="mean")
    return means[_conditions(adata)].layers["mean"] - means["control"].layers["mean"]


def _read(path: str) -> None:
    import h5py

    with h5py.File(path) as file:
        n_values, step = len(file["X/data"]), 16_000_000
        for start in range(0, n_values, step):
            for part in ("indices", "data"):
                file[f"X/{part}"][start : start + step]


CONTENDERS = {
    "ours": ("perturbridge: read_screen, pseudobulk", "matched"),
    "scanpy_two": ("scanpy in memory: aggregate by condition, controls by context", "matched"),
    "scanpy_both": ("scanpy in memory: aggregate by [condition, context]", "matched"),
    "loop": ("scanpy in memory, one boolean mask per condition", "matched"),
    "ours_plain": ("perturbridge, one context (not matched)", "plain"),
    "scanpy_plain": ("scanpy in memory: aggregate by condition (not matched)", "plain"),
}
FUNCTIONS = {
    "ours": _ours,
    "ours_plain": _ours_plain,
    "scanpy_two": _scanpy_two,
    "scanpy_both": _scanpy_both,
    "loop": _loop,
    "scanpy_plain": _scanpy_plain,
    "read": _read,
}


def _contend(name: str, large: str, small: str, out: str) -> None:
    FUNCTIONS[name](small)
    started = time.process_time()
    delta = FUNCTIONS[name](large)
    figures = {"work_cpu_s": time.process_time() - started, "peak_mb": peak_mb()}
    if out:
        np.save(out, delta)
    print(json.dumps(figures))


def simulate_file(path: str, sizes: str) -> None:
    from perturbridge.screens import simulate

    simulate.write_large(path, **json.loads(sizes))


if __name__ == "__main__":
    {"contend": _contend, "simulate": simulate_file}[sys.argv[1]](*sys.argv[2:])
