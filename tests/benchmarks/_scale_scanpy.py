"""Δ of a CSR h5ad (200k cells x 8k genes, 2,000 conditions, 48 contexts): scanpy on dask beside ours, each in a fresh process.

scanpy: `anndata.experimental.read_elem_lazy`, `sc.pp.normalize_total`, `sc.pp.log1p`, `sc.get.aggregate`, chunks of 20,000 cells, dask's own
scheduler. PERTURBRIDGE_SCANPY_PYTHON names an interpreter with scanpy 1.12 or later, dask and anndata (Python 3.12 or later); where it is
unset, ours runs alone. `work_cpu_s` is the CPU seconds of reading and computing after a warm-up on a small file, those of workers included;
`peak_mb` is the largest resident memory of the process, `workers_mb` of its workers together. Ratios are ours (one process, matched) over
each row. `max_diff`: largest difference of the row's Δ from ours, matched or not as the row is.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np

from ._contender import measure, peak_mb
from ._pseudobulk import MODULE as SIMULATOR
from ._pseudobulk import SMALL
from ._scale import DESIGN, SIZES

MODULE = "tests.benchmarks._scale_scanpy"
PYTHON = "PERTURBRIDGE_SCANPY_PYTHON"
ROWS_PER_CHUNK = 20_000
WORKERS = 2


def run(*, quick: bool) -> list[dict]:
    """Measure every contender; PERTURBRIDGE_BENCHMARK_DIR names a folder where the simulated file is kept between runs."""
    kept, theirs = os.environ.get("PERTURBRIDGE_BENCHMARK_DIR"), os.environ.get(PYTHON)
    if not theirs:
        print(f"{PYTHON} is unset: scanpy is not measured.\n")
    rows, n_cells = [], SIZES[quick][0]
    with tempfile.TemporaryDirectory(dir=kept) as scratch:
        large, small = Path(kept or scratch) / f"cells-{n_cells}.h5ad", Path(scratch) / "small.h5ad"
        for path, sizes in ((large, {"n_cells": n_cells, **DESIGN[quick]}), (small, SMALL)):
            if not path.exists():
                measure(SIMULATOR, "simulate", str(path), json.dumps(sizes))
        for name, (label, _, function) in CONTENDERS.items():
            ours = function.__name__.startswith("_ours")
            if not ours and not theirs:
                continue
            python = sys.executable if ours else str(theirs)
            out = str(Path(scratch) / f"{name}.npy")
            figures = measure(MODULE, name, str(large), str(small), out, python=python)
            rows.append({"contender": label, **figures, "max_diff": _difference(scratch, name)})
    first = rows[0]
    for row in rows:
        row["cpu ratio"] = first["work_cpu_s"] / row["work_cpu_s"]
        row["memory ratio"] = first["peak_mb"] / (row["peak_mb"] + row.get("workers_mb", 0.0))
        row["load"] = os.getloadavg()[0]
    return rows


def _difference(scratch: str, name: str) -> float:
    mine = "ours" if CONTENDERS[name][1] == "matched" else "ours_plain"
    first, second = (np.load(Path(scratch) / f"{n}.npy", mmap_mode="r") for n in (mine, name))
    return float(max(np.abs(a - b).max() for a, b in zip(first, second, strict=True)))


def _ours(path: str) -> tuple[np.ndarray, dict]:
    from perturbridge.screens import pseudobulk, read_screen

    return pseudobulk(read_screen(path)).delta, {}


def _ours_plain(path: str) -> tuple[np.ndarray, dict]:
    from perturbridge.screens import pseudobulk, read_screen

    return pseudobulk(read_screen(path, context="none")).delta, {}


def _ours_cluster(path: str) -> tuple[np.ndarray, dict]:
    import distributed

    from perturbridge.screens import pseudobulk, read_screen

    with (
        distributed.LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        delta = pseudobulk(read_screen(path), client=client).delta
        return delta, {"workers_mb": sum(client.run(peak_mb).values())}


def _lazy(path: str):
    import anndata as ad
    import h5py
    import scanpy as sc
    from anndata.experimental import read_elem_lazy
    from anndata.io import read_elem

    file = h5py.File(path)
    obs, var = read_elem(file["obs"]), read_elem(file["var"])
    values = read_elem_lazy(file["X"], chunks=(min(ROWS_PER_CHUNK, len(obs)), len(var)))
    adata = ad.AnnData(X=values, obs=obs, var=var)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return sc, adata


def _means(found, names: list[str], func: list[str]) -> np.ndarray:
    import dask

    layers = dask.compute(*(found.layers[name] for name in func))
    place = {name: i for i, name in enumerate(found.obs_names)}
    return np.asarray(layers[0])[[place[name] for name in names]]


def _conditions(adata) -> list[str]:
    return sorted(set(adata.obs["perturbation"].cat.categories) - {"control"})


def _plain(path: str, func: list[str]) -> tuple[np.ndarray, dict]:
    sc, adata = _lazy(path)
    found = sc.get.aggregate(adata, by="perturbation", func=func)
    means = _means(found, [*_conditions(adata), "control"], func)
    return means[:-1] - means[-1], {}


def _dask_mean(path: str) -> tuple[np.ndarray, dict]:
    return _plain(path, ["mean"])


def _dask_variance(path: str) -> tuple[np.ndarray, dict]:
    return _plain(path, ["mean", "var"])


def _dask_matched(path: str) -> tuple[np.ndarray, dict]:
    import pandas as pd

    sc, adata = _lazy(path)
    names = _conditions(adata)
    weights = pd.crosstab(adata.obs["perturbation"], adata.obs["context"]).loc[names]
    contexts = list(weights.columns)
    means = _means(sc.get.aggregate(adata, by="perturbation", func=["mean"]), names, ["mean"])
    controls = adata[(adata.obs["perturbation"] == "control").to_numpy()]
    control = _means(sc.get.aggregate(controls, by="context", func=["mean"]), contexts, ["mean"])
    share = weights.to_numpy() / weights.to_numpy().sum(axis=1, keepdims=True)
    return means - share @ control, {}


CONTENDERS = {
    "ours": ("perturbridge, one process: matched, with variance and detection", "matched", _ours),
    "ours_plain": ("perturbridge, one process: not matched", "plain", _ours_plain),
    "ours_cluster": (f"perturbridge, LocalCluster of {WORKERS} workers: matched", "matched", _ours_cluster),
    "dask_mean": ("scanpy on dask: mean, not matched", "plain", _dask_mean),
    "dask_variance": ("scanpy on dask: mean and variance, not matched", "plain", _dask_variance),
    "dask_matched": ("scanpy on dask: mean by condition, controls by context, matched", "matched", _dask_matched),
}


def _cpu_seconds() -> float:
    """Of this process and of children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _contend(name: str, large: str, small: str, out: str) -> None:
    function = CONTENDERS[name][2]
    function(small)
    started = _cpu_seconds()
    delta, figures = function(large)
    figures |= {"work_cpu_s": _cpu_seconds() - started, "peak_mb": peak_mb()}
    np.save(out, delta)
    print(json.dumps(figures))


if __name__ == "__main__":
    _contend(*sys.argv[1:])
