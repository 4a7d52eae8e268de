"""`perturbridge evaluate` beside cell-eval2 and scPertEval: the same files, the same numbers, CPU seconds and peak memory.

The peers live in an environment of their own, whose bin/ folder PERTURBRIDGE_PEERS names (pip install cell-eval2==0.20.0 pdex==0.3.0
scperteval==0.2.0). Files: real and predicted cells, CSR float32 log1p-CP10k, about 24 % dense, 2,000 controls, a planted effect for each
perturbation, of which the prediction knows 70 %. First the largest difference between our value and theirs over perturbations, where both define the
same thing; then cost, ours with bootstrap intervals of every metric, which the peers do not have.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

SIZES = {"20k x 2k x 100": (20_000, 2_000, 100), "50k x 5k x 250": (50_000, 5_000, 250)}
QUICK = {"2k x 200 x 12": (2_000, 200, 12)}
N_CONTROLS = 2_000
CLOUDS = "edistance,mmd_rbf,sinkhorn_div"


def run(*, quick: bool) -> list[dict]:
    peers = os.environ.get("PERTURBRIDGE_PEERS", "")
    if not (Path(peers) / "cell-eval2").exists():
        return [{"note": "PERTURBRIDGE_PEERS names no bin/ folder with cell-eval2 and scperteval"}]
    rows = []
    with TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        for i, (size, (n_cells, n_genes, n_perturbations)) in enumerate((QUICK if quick else SIZES).items()):
            folder = Path(name) / str(i)
            folder.mkdir()
            # In a process of its own: a child's peak counts what its parent held when it was forked.
            with get_context("spawn").Pool(1) as pool:
                pool.apply(
                    write_pair,
                    (folder,),
                    {"n_cells": n_cells, "n_genes": n_genes, "n_perturbations": n_perturbations, "seed": i},
                )
            wanted = os.environ.get("PERTURBRIDGE_BENCH_SKIP", "").split(";")
            chosen = {
                name: command for name, command in commands(Path(peers)).items() if f"{size}: {name}" not in wanted
            }
            costs = {name: cost(command, folder) for name, command in chosen.items()}
            if i == 0:
                rows += parity(folder)
                rows += export(folder, Path(peers))
            rows += [{"files": size, "command": name, **figures} for name, figures in costs.items()]
    return rows


def commands(peers: Path) -> dict[str, list[str]]:
    """What is run, each in a process of its own, in the folder of the files."""
    ours = [
        sys.executable,
        "-c",
        "from perturbridge.cli import main; raise SystemExit(main())",
        "evaluate",
        "pred.h5ad",
    ]
    ours += ["-s", "real.h5ad", "--pert-col", "target", "--control-pert", "non-targeting", "--overwrite", "--no-report"]
    cell_eval = [str(peers / "cell-eval2"), "run", "-ap", "pred.h5ad", "-ar", "real.h5ad", "--pert-col", "target"]
    cell_eval += ["--control", "non-targeting", "--input-type", "lognorm"]
    score = [str(peers / "scperteval"), "score", "real.h5ad", "pred.h5ad", "--perturbation-key", "target"]
    score += ["--control-label", "non-targeting", "--workers", "1", "--quiet"]
    return {
        "perturbridge --profile pseudobulk, with intervals": [*ours, "--profile", "pseudobulk", "-o", "ours_means"],
        "cell-eval2 --profile anndata": [*cell_eval, "--profile", "anndata", "-o", "ce_anndata"],
        "scperteval -p pseudobulk": [*score, "-p", "pseudobulk", "--out-dir", "sp_means"],
        "perturbridge, all but cell clouds, with intervals": [*ours, "--skip-metrics", CLOUDS, "-o", "ours_de"],
        "perturbridge, everything, with intervals": [*ours, "-o", "ours_full", "--export", "exported"],
        "cell-eval2 --profile full": [*cell_eval, "--profile", "full", "-o", "ce_full"],
    }


def cost(command: list[str], folder: Path) -> dict[str, float]:
    """CPU seconds (user + system, children included) and peak memory of a command."""
    limits = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    started = time.perf_counter()
    child = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **limits},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.stderr.close()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command[:3]} ended with {child.returncode}: {said.decode()[-2000:]}")
    return {
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_gb": usage.ru_maxrss / 1e6,
        "wall_s": time.perf_counter() - started,
    }


def write_pair(folder: Path, *, n_cells: int, n_genes: int, n_perturbations: int, seed: int) -> None:
    """Write real.h5ad and pred.h5ad."""
    import anndata as ad
    from scipy import sparse

    rng = np.random.default_rng(seed)
    base = rng.gamma(0.35, 1.0, size=n_genes)
    base *= 0.4 * n_genes / base.sum()
    effect = rng.normal(0, 0.6, size=(n_perturbations, n_genes)) * (rng.random((n_perturbations, n_genes)) < 0.08)
    effect += rng.normal(0, 0.1, size=n_genes)
    genes = [f"GENE{i:05d}" for i in range(n_genes)]
    labels = np.array([f"GENE{i:05d}" for i in range(n_perturbations)])
    n_controls = min(N_CONTROLS, n_cells // 4)
    codes = np.concatenate([np.arange(n_cells - n_controls) % n_perturbations, np.full(n_controls, -1)])
    for name, share in (("real", 1.0), ("pred", 0.7)):
        blocks = []
        for start in range(0, n_cells, 2_000):
            own = codes[start : start + 2_000]
            log_rate = np.where(own[:, None] >= 0, share * effect[own], 0.0)
            # Counts of 0 to 3 by comparing one draw with the Poisson steps, which is ten times faster than drawing them.
            rate = (base * np.exp(log_rate)).astype(np.float32)
            draw, term = rng.random(rate.shape, dtype=np.float32), np.exp(-rate)
            counts, below = np.zeros(rate.shape, dtype=np.float32), np.zeros(rate.shape, dtype=np.float32)
            for k in range(1, 4):
                below += term
                counts += draw > below
                term = term * rate / k
            total = counts.sum(axis=1, keepdims=True)
            blocks.append(sparse.csr_matrix(np.log1p(counts * np.float32(1e4) / np.maximum(total, 1))))
        obs = pd.DataFrame(
            {"target": pd.Categorical(np.where(codes >= 0, labels[codes], "non-targeting"))},
            index=[f"c{i}" for i in range(n_cells)],
        )
        ad.AnnData(sparse.vstack(blocks, format="csr"), obs=obs, var=pd.DataFrame(index=genes)).write_h5ad(
            folder / f"{name}.h5ad"
        )


def parity(folder: Path) -> list[dict]:
    """Largest absolute difference over perturbations between ours and theirs."""
    ours = pd.read_csv(folder / "ours_full" / "results.csv").query("model == 'pred'").set_index("perturbation")
    theirs = pd.read_csv(folder / "ce_full" / "results.csv").pivot_table(
        index="perturbation", columns="metric", values="value"
    )
    whole = with_targets(folder)
    pairs = {
        "cell-eval2 delta_pearson": (whole["pearson_delta"], theirs["delta_pearson"]),
        "cell-eval2 expr_mae": (whole["mae"], theirs["expr_mae"]),
        "cell-eval2 expr_mse (ours: rmse squared)": (whole["rmse"] ** 2, theirs["expr_mse"]),
        "cell-eval2 expr_mse_unbiased": (ours["mse_unbiased"], theirs["expr_mse_unbiased"]),
        "the same, the noise of the target gene put back": (
            ours["mse_unbiased"] - target_noise(folder),
            theirs["expr_mse_unbiased"],
        ),
        **{f"cell-eval2 {name}": (ours[name], theirs[name]) for name in ("pds_l1", "pds_l2", "pds_cosine")},
    }
    score = next((folder / "sp_means").glob("*.csv"))
    scored = pd.read_csv(score)
    for theirs_name, own_name in (
        ("nir", "pds_l2"),
        ("rank", "rank_rmse"),
        ("wmse_exp2", "wmse"),
        ("pearson_ctrl", "pearson_delta"),
        ("r2_ctrl", "r2_delta"),
    ):
        part = scored[scored["protocol"] == theirs_name].set_index("perturbation")
        pairs[f"scPertEval {theirs_name}"] = (whole[own_name], part[_value_column(part)])
    against = against_others(folder)
    for name in ("r2_pert", "pearson_pert"):
        part = scored[scored["protocol"] == name].set_index("perturbation")
        pairs[f"scPertEval {name}, the others as training"] = (against[name], part[_value_column(part)])
    pairs["Systema centroid accuracy"] = (whole["centroid_accuracy"], systema(folder))
    pairs["PerturBench rank (rmse)"] = (whole["rank_rmse"], perturbench(folder))
    rows = []
    for name, (mine, other) in pairs.items():
        joined = pd.concat([mine, other], axis=1, join="inner").dropna()
        apart = (joined.iloc[:, 0] - joined.iloc[:, 1]).abs()
        rows.append(
            {"parity": name, "n": len(joined), "largest difference": float(apart.max()) if len(apart) else None}
        )
    return rows


def _value_column(frame: pd.DataFrame) -> str:
    return next(name for name in ("score", "value", "metric_value", "raw") if name in frame.columns)


def effects_of(folder: Path):
    """Measured effects and the prediction, as `evaluate` reads them."""
    from perturbridge.pipeline._candidates import RealSide, read_candidate
    from perturbridge.screens import pseudobulk, read_screen

    screen = read_screen(folder / "real.h5ad", perturbation="target", control=["non-targeting"])
    effects = pseudobulk(screen)
    real = RealSide(effects=effects, screen=screen, column="target", control=("non-targeting",))
    return effects, read_candidate(folder / "pred.h5ad", real)


def with_targets(folder: Path) -> pd.DataFrame:
    """Our scores with target genes kept in, as scPertEval, Systema and PerturBench have it."""
    from perturbridge.evaluation import Scorer, to_frame

    effects, candidate = effects_of(folder)
    scorer = Scorer(effects, candidate.prediction.perturbations, train=None, exclude_targets=False)
    frame = to_frame(scorer.score(candidate.prediction, cells=candidate.cells))
    return frame.pivot_table(index="perturbation", columns="metric", values="value", dropna=False)


def target_noise(folder: Path) -> pd.Series:
    """Sampling noise of the own target gene on both sides over the number of other genes, which cell-eval2 takes off too."""
    effects, candidate = effects_of(folder)
    names = candidate.prediction.perturbations
    real = effects.take(names)
    out = {}
    for i, name in enumerate(names):
        j, k = effects.genes.index(name.genes[0]), candidate.prediction.genes.index(name.genes[0])
        noise = real.variance[i, j] / real.n_cells[i] + candidate.cells.variance[i, k] / candidate.cells.n_cells[i]
        out[str(name)] = noise / (len(effects.genes) - 1)
    return pd.Series(out, name="target noise")


def against_others(folder: Path) -> pd.DataFrame:
    """Metrics against the mean of perturbations with every other scored perturbation as a training one, as scPertEval has it."""
    from perturbridge.evaluation import ALIASES, Scorer
    from perturbridge.values import Prediction

    effects, candidate = effects_of(folder)
    whole, rows = candidate.prediction, {}
    for i, name in enumerate(whole.perturbations):
        own = Prediction(
            perturbations=(name,),
            genes=whole.genes,
            delta=whole.delta[[i]],
            status=("predicted",),
            detail=("",),
            model="own",
        )
        others = [other for other in effects.perturbations if other != name]
        table = Scorer(effects, [name], train=others, exclude_targets=False).score(
            own, metrics=["r2_pert", "pearson_pert"]
        )
        found = dict(zip(table.metric.tolist(), table.value.tolist(), strict=True))
        rows[str(name)] = {theirs: found[ALIASES[theirs]] for theirs in ("r2_pert", "pearson_pert")}
    return pd.DataFrame.from_dict(rows, orient="index")


def export(folder: Path, peers: Path) -> list[dict]:
    """Our export of the prediction through cell-eval2 itself: it must read it and find the scores of the prediction."""
    theirs = {}
    for name in ("pred", "exported/pred"):
        out = f"ce_{name.replace('/', '_')}"
        command = [str(peers / "cell-eval2"), "run", "-ap", f"{name}.h5ad", "-ar", "real.h5ad", "--pert-col", "target"]
        command += ["--control", "non-targeting", "--input-type", "lognorm", "--profile", "anndata", "-o", out]
        cost(command, folder)
        theirs[name] = pd.read_csv(folder / out / "results.csv").pivot_table(
            index="perturbation", columns="metric", values="value"
        )
    first, second = theirs.values()
    return [
        {
            "parity": f"cell-eval2 {metric}, of our export and of the cells",
            "n": len(first),
            "largest difference": float((first[metric] - second[metric]).abs().max()),
        }
        for metric in ("delta_pearson", "expr_mae", "expr_mse", "pds_l1", "pds_l2", "pds_cosine")
    ]


def _profiles(folder: Path):
    from scipy.spatial.distance import cdist

    effects, candidate = effects_of(folder)
    names = candidate.prediction.perturbations
    true = effects.take(names)
    control = true.matched_control
    order = [candidate.prediction.genes.index(gene) for gene in effects.genes]
    far = cdist(candidate.prediction.delta[:, order] + control, true.delta + control)
    return [str(name) for name in names], far


def systema(folder: Path) -> pd.Series:
    """Systema's definition, written from its text: share of other perturbations' real centroids farther than the own."""
    names, far = _profiles(folder)
    own = np.diag(far)[:, None]
    return pd.Series((far > own).sum(axis=1) / (len(far) - 1), index=names, name="systema")


def perturbench(folder: Path) -> pd.Series:
    """PerturBench's definition, written from its text: place of the own prediction among all, for each real profile, over n - 1."""
    names, far = _profiles(folder)
    own = np.diag(far)[None, :]
    return pd.Series((far < own).sum(axis=0) / (len(far) - 1), index=names, name="perturbench")
