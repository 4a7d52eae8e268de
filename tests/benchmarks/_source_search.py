"""Kernels, weights of three sources and α at 2,000 perturbations, one thread.

*work*: CPU seconds of the whole fit; `search` is the choice of kernels, weights and α up to the final solve. The targets are what few factors
make of them, as expression is, plus noise. *test*: squared error on 500 further genes over that of the mean. himalaya's `MultipleKernelRidgeCV` chooses
log-weights of three given kernels and α by random search with k-fold error; ours also chooses each kernel among six.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.util import find_spec

import numpy as np

from ._contender import measure, peak_mb

MODULE = "tests.benchmarks._source_search"
SIZES = {False: (2000, (1250, 5000)), True: (200, (50, 200))}
# A smaller problem for the comparison: himalaya's cost grows with genes for every weighting, penalty and fold.
SIDE = {False: (600, 1000), True: (200, 100)}
N_DIMS, N_FOLDS = (128, 128, 256), 5


def run(*, quick: bool) -> list[dict]:
    n, genes = SIZES[quick]
    rows = [
        {"contender": f"EffectModel.fit, {g:,} genes", **measure(MODULE, "ours", json.dumps((n, g, "auto")))}
        for g in genes
    ]
    return rows + beside_himalaya(*SIDE[quick])


def beside_himalaya(n: int, n_genes: int) -> list[dict]:
    """The same sources, rows, targets and penalties on both sides; *ratio*: our work over theirs."""
    size = f"{n:,} rows x {n_genes:,} genes"
    ours = {kernel: measure(MODULE, "ours", json.dumps((n, n_genes, kernel))) for kernel in ("linear", "auto")}
    rows = [{"contender": f"EffectModel.fit, kernel={kernel!r}, {size}", **found} for kernel, found in ours.items()]
    if find_spec("himalaya") is None:
        return [*rows, {"contender": "himalaya is not installed (pip install himalaya)"}]
    for n_iter in (10, 30):
        theirs = measure(MODULE, "theirs", json.dumps((n, n_genes, n_iter)))
        label = f"himalaya MultipleKernelRidgeCV, linear kernels, {n_iter} weightings, {N_FOLDS} folds, {size}"
        ratios = {f"ratio, {kernel}": found["work_cpu_s"] / theirs["work_cpu_s"] for kernel, found in ours.items()}
        rows.append({"contender": label, **theirs, **ratios})
    return rows


def data(n: int, n_genes: int):
    """Three embeddings; Δ depends on the first two, over 30 factors."""
    rng = np.random.default_rng(0)
    vectors = [rng.normal(size=(n + 500, d)) * np.arange(1, d + 1) ** -0.5 for d in N_DIMS]
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors]
    factors = sum(w * u @ rng.normal(size=(u.shape[1], 30)) for w, u in zip((1.0, 0.6), unit[:2], strict=True))
    clean = factors @ rng.normal(size=(30, n_genes)) / np.sqrt(30)
    return vectors, clean, clean[:n] + rng.normal(size=(n, n_genes))


def ours(n: int, n_genes: int, kernel: str) -> dict:
    from perturbridge.effects import EffectModel, _fitting
    from perturbridge.values import Effects, EmbeddingCard, GeneEmbedding

    vectors, clean, measured = data(n, n_genes)
    names = tuple(f"P{i}" for i in range(n + 500))
    sources = [
        GeneEmbedding(
            vectors=v.astype(np.float32), genes=names, rows=np.arange(len(v)), card=EmbeddingCard(name=str(k))
        )
        for k, v in enumerate(vectors)
    ]
    effects = Effects.from_delta(measured, perturbations=names[:n])
    spent, choose = [], _fitting._choose

    def timed(*args, **kwargs):
        began = time.process_time()
        out = choose(*args, **kwargs)
        spent.append(time.process_time() - began)
        return out

    _fitting._choose = timed
    began = time.process_time()
    model = EffectModel(sources, kernel=kernel).fit(effects)
    work = time.process_time() - began
    shares = [round(s["share"], 3) for s in model.report_["sources"]]
    peak = peak_mb()
    predicted = model.predict(names[n:]).delta
    return {
        "work_cpu_s": work,
        "search_cpu_s": spent[0],
        "peak_mb": peak,
        **test_error(predicted, clean, measured),
        "weights": shares,
    }


def test_error(predicted: np.ndarray, clean: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    truth = clean[len(measured) :]
    return {"test": float(((predicted - truth) ** 2).sum() / ((measured.mean(axis=0) - truth) ** 2).sum())}


def theirs(n: int, n_genes: int, n_iter: int) -> dict:
    from himalaya.kernel_ridge import MultipleKernelRidgeCV

    vectors, clean, measured = data(n, n_genes)
    unit = []
    for v in vectors:
        centered = v - v[:n].mean(axis=0)
        unit.append(centered / np.linalg.norm(centered, axis=1, keepdims=True))
    kernels = np.stack([u @ u.T for u in unit])
    mean = measured.mean(axis=0)
    began = time.process_time()
    model = MultipleKernelRidgeCV(
        kernels="precomputed",
        solver="random_search",
        solver_params={"n_iter": n_iter, "alphas": np.logspace(-4, 3, 57), "progress_bar": False, "local_alpha": False},
        cv=N_FOLDS,
        random_state=0,
    ).fit(kernels[:, :n, :n], measured - mean)
    work = time.process_time() - began
    peak = peak_mb()
    predicted = model.predict(kernels[:, n:, :n]) + mean
    return {"work_cpu_s": work, "peak_mb": peak, **test_error(predicted, clean, measured)}


if __name__ == "__main__":
    print(json.dumps({"ours": ours, "theirs": theirs}[sys.argv[1]](*json.loads(sys.argv[2]))))
