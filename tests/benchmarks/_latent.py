"""The latent against scvi-tools (SCVI): same counts, architecture, batch size, epochs and threads, each contender in a fresh process.

`cpu_s_epoch` is the CPU of one epoch once warm (n epochs less one, divided), the held-out bound looked at after each; `start_cpu_s` is
import plus everything up to the end of the first epoch, less one warm epoch; `elbo` is the held-out bound on the same cells, nats per
cell at KL weight 1, higher is better. `cpu ratio` and the like are ours divided by theirs. SCVI runs where PERTURBRIDGE_SCVI names a
Python that has scvi-tools; the simulated set is that of an easy, low-rank screen, so time to quality on it flatters everyone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ._contender import ROOT, peak_mb

MODULE = "tests.benchmarks._latent"
THREADS = "1"


def run(*, quick: bool) -> list[dict]:
    """Compare on simulated counts, and on the real sets where PERTURBRIDGE_DATA has them."""
    peer = os.environ.get("PERTURBRIDGE_SCVI")
    data = Path(os.environ.get("PERTURBRIDGE_DATA", "nowhere"))
    wanted = os.environ.get("PERTURBRIDGE_SETS", "quick" if quick else ",".join(list(SETS)[1:])).split(",")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "set.npz"
        for name in wanted:
            source, usual, contenders = SETS[name]
            epochs = int(os.environ.get("PERTURBRIDGE_EPOCHS", usual))
            if isinstance(source[0], int):
                np.savez(path, **simulate(*source))
            elif (data / source[0]).exists():
                np.savez(path, **load_real(data / source[0], source[1]))
            else:
                continue
            rows += _compare(name, path, peer=peer, epochs=epochs, contenders=contenders)
    return rows


EVERY = ("ours nb fp32", "ours nb bf16", "ours zinb fp32", "ours nb, labels")
EVERY += ("SCVI nb", "SCVI nb, warm-up 4, lr 4e-3", "SCVI zinb", "SCANVI nb")
FEW = ("ours nb fp32", "SCVI nb", "SCVI nb, warm-up 4, lr 4e-3")
# Cells and genes, or file and context; epochs; contenders. PERTURBRIDGE_SETS names some of them, joined by commas, PERTURBRIDGE_EPOCHS others.
SETS = {
    "quick": ((2_000, 500), 3, EVERY),
    "10k": ((10_000, 2_000), 20, EVERY),
    "100k": ((100_000, 2_000), 3, ("ours nb fp32", "SCVI nb")),
    "Papalexi": (("screens/papalexi2021_thp1_eccite.h5ad", "bio_rep"), 20, FEW),
    "Kang 8 donors": (("multibatch/kang2018_pbmc_8donors.h5ad", "sample_id"), 20, FEW),
}


def _compare(name: str, path: Path, *, peer: str | None, epochs: int, contenders: tuple[str, ...]) -> list[dict]:
    ours = [("ours nb fp32", "ours", ["nb", "fp32"]), ("ours nb bf16", "ours", ["nb", "bf16"])]
    ours += [("ours zinb fp32", "ours", ["zinb", "fp32"]), ("ours nb, labels", "ours_labels", ["nb", "fp32"])]
    theirs = [("SCVI nb", "scvi", ["nb", "0"]), ("SCVI nb, warm-up 4, lr 4e-3", "scvi", ["nb", "4"])]
    theirs += [("SCVI zinb", "scvi", ["zinb", "0"]), ("SCANVI nb", "scanvi", ["nb", "0"])]
    rows = []
    for label, kind, arguments in ours + (theirs if peer else []):
        if label not in contenders:
            continue
        python = sys.executable if kind.startswith("ours") else peer
        few = 3 if kind in ("ours_labels", "scanvi") else epochs
        figures = measure_in(python, MODULE, [kind, str(path), str(few), *arguments])
        rows.append({"set": name, "contender": label, "epochs": few, **figures})
    against = {
        "ours nb fp32": "SCVI nb",
        "ours nb bf16": "SCVI nb",
        "ours zinb fp32": "SCVI zinb",
        "ours nb, labels": "SCANVI nb",
    }
    by_label = {row["contender"]: row for row in rows}
    for mine, other in against.items():
        if mine in by_label and other in by_label:
            a, b = by_label[mine], by_label[other]
            a["cpu ratio"] = a["cpu_s_epoch"] / b["cpu_s_epoch"]
            a["memory ratio"], a["start ratio"] = a["peak_mb"] / b["peak_mb"], a["start_cpu_s"] / b["start_cpu_s"]
    return [row | {key: f"{row[key]:.1f}" for key in ("elbo", "reconstruction")} for row in rows]


def measure_in(python: str, module: str, arguments: list[str]) -> dict:
    """Run a contender in a process of the Python that has it."""
    environment = {**os.environ, "OMP_NUM_THREADS": THREADS, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [python, "-m", module, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def simulate(n_cells: int, n_genes: int, *, seed: int = 0, rows: int = 10_000) -> dict[str, np.ndarray]:
    """Ten Gaussian factors with shifts for 20 perturbations ▸ linear map ▸ softmax x library ▸ negative binomial, about 10 % dense.

    The context is an additive offset of each gene in log space, drawn apart from the perturbation.
    """
    rng = np.random.default_rng(seed)
    loading, base = rng.normal(scale=0.35, size=(10, n_genes)), rng.normal(scale=1.2, size=n_genes)
    offset = rng.normal(scale=0.25, size=(2, n_genes))
    shift = np.concatenate([np.zeros((1, 10)), rng.normal(scale=0.8, size=(20, 10))])
    indptr, indices, data, contexts, perturbations, depth = [np.zeros(1, dtype=np.int64)], [], [], [], [], None
    for start in range(0, n_cells, rows):
        n = min(rows, n_cells - start)
        perturbation, context = rng.integers(21, size=n), rng.integers(2, size=n)
        rate = np.exp((rng.normal(size=(n, 10)) + shift[perturbation]) @ loading + base + offset[context])
        rate /= rate.sum(axis=1, keepdims=True)
        library = np.exp(0.35 * rng.normal(size=(n, 1)))
        if depth is None:
            low, high = 1.0, 1e6
            for _ in range(40):
                depth = np.sqrt(low * high)
                density = 1 - ((2 / (2 + rate[:500] * library[:500] * depth)) ** 2).mean()
                low, high = (depth, high) if density < 0.1 else (low, depth)
        counts = rng.poisson(rng.gamma(2.0, rate * library * depth / 2))
        row, col = np.nonzero(counts)
        indptr.append(indptr[-1][-1] + np.cumsum(np.bincount(row, minlength=n)))
        indices.append(col.astype(np.int32))
        data.append(counts[row, col].astype(np.float32))
        contexts.append(context)
        perturbations.append(perturbation)
    return {
        "indptr": np.concatenate(indptr), "indices": np.concatenate(indices), "data": np.concatenate(data),
        "shape": np.array([n_cells, n_genes]), "context": np.concatenate(contexts), "perturbation": np.concatenate(perturbations),
    }  # fmt: skip


def load_real(path: Path, context: str) -> dict[str, np.ndarray]:
    """Counts and context of an h5ad."""
    import anndata as ad
    from scipy import sparse

    table = ad.read_h5ad(path)
    matrix = sparse.csr_matrix(table.layers.get("counts", table.X))
    matrix.sort_indices()
    # A cell without counts makes the peer's library -inf.
    keep = np.asarray(matrix.sum(axis=1)).ravel() > 0
    matrix, codes = matrix[keep], np.unique(table.obs[context].astype(str), return_inverse=True)[1][keep]
    return {
        "indptr": matrix.indptr.astype(np.int64), "indices": matrix.indices, "data": matrix.data.astype(np.float32),
        "shape": np.array(matrix.shape), "context": codes, "perturbation": np.arange(len(codes)) % 5,
    }  # fmt: skip


def held_out(n_cells: int) -> np.ndarray:
    """The cells both sides hold out: those that our own fit would."""
    shuffled = np.random.default_rng((0, 1)).permutation(n_cells)
    return np.sort(shuffled[: int(0.1 * n_cells)])


def make_screen(arrays: dict[str, np.ndarray]):
    """A screen in memory around the arrays."""
    from perturbridge.values import Labels, Normalization, PerturbationName, RowChunk, Screen

    class Source:
        shape = tuple(int(n) for n in arrays["shape"])
        description, path = "arrays", None

        def read_rows(self, start, stop):
            low, high = arrays["indptr"][start], arrays["indptr"][stop]
            part = arrays["indptr"][start : stop + 1] - low
            return RowChunk(start, part, arrays["indices"][low:high], arrays["data"][low:high])

        def row_ends(self):
            return arrays["indptr"][1:]

    n = int(arrays["perturbation"].max())
    width = len(str(n))
    contexts = tuple(f"c{i:02d}" for i in range(int(arrays["context"].max()) + 1))
    states = tuple(f"s{i:03d}" for i in range(n + 1))
    return Screen(
        source=Source(), genes=tuple(f"g{i}" for i in range(Source.shape[1])),
        perturbations=tuple(PerturbationName.of([f"P{i + 1:0{width}d}"]) for i in range(n)),
        perturbation_codes=arrays["perturbation"] - 1, normalization=Normalization(kind="counts", place="X"),
        context=Labels("context", contexts, arrays["context"]), state=Labels("state", states, arrays["perturbation"]),
    )  # fmt: skip


def _ours(path: str, epochs: str, likelihood: str, precision: str, labels: str | None = None) -> dict:
    started = time.process_time()
    import torch

    from perturbridge.latent import Architecture, LatentModel, Training

    torch.set_num_threads(int(THREADS))
    screen = make_screen(dict(np.load(path)))
    ends: list[float] = []

    def fit(n: int):
        training = Training(epochs=n, precision=precision, device="cpu")
        model = LatentModel(architecture=Architecture(likelihood=likelihood), training=training, labels=labels)
        per = -(-int(0.9 * screen.n_cells) // 128)
        return model.fit(screen, progress=lambda done, _: ends.append(time.process_time()) if done % per == 0 else None)

    first = fit(1)
    del first
    one = time.process_time() - started
    begun = time.process_time()
    model = fit(int(epochs))
    whole = time.process_time() - begun
    steady = (ends[-1] - ends[1]) / max(len(ends) - 2, 1)
    history = model.history_
    elbo = float(model.elbo(screen)[held_out(screen.n_cells)].mean())
    begun = time.process_time()
    model.encode(screen)
    return {
        "cpu_s_epoch": steady, "start_cpu_s": one - steady, "fit_cpu_s": whole, "encode_cpu_s": time.process_time() - begun,
        "peak_mb": peak_mb(), "elbo": elbo, "reconstruction": history[-1]["held_out_log_likelihood"],
    }  # fmt: skip


def _ours_labels(path: str, epochs: str, likelihood: str, precision: str) -> dict:
    return _ours(path, epochs, likelihood, precision, labels="state")


def peer_model(path: str, *, likelihood: str, labels: bool = False):
    """An untrained model of the peer, the held-out cells first, and how many they are."""
    import logging

    import anndata as ad
    import pandas as pd
    import scvi
    import torch
    from scipy import sparse

    logging.disable(logging.INFO)
    torch.set_num_threads(int(THREADS))
    scvi.settings.seed = 0
    arrays = np.load(path)
    matrix = sparse.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=arrays["shape"])
    names = pd.Index([f"c{i}" for i in range(matrix.shape[0])])
    obs = pd.DataFrame(
        {"batch": arrays["context"].astype(str), "label": arrays["perturbation"].astype(str)}, index=names
    )
    held = held_out(matrix.shape[0])
    # Unshuffled, the peer holds out the head of the order it is given and trains on the rest.
    order = np.concatenate([held, np.setdiff1d(np.arange(matrix.shape[0]), held)])
    adata = ad.AnnData(matrix[order], obs=obs.iloc[order])
    if labels:
        scvi.model.SCANVI.setup_anndata(adata, batch_key="batch", labels_key="label", unlabeled_category="none")
    else:
        scvi.model.SCVI.setup_anndata(adata, batch_key="batch")
    kind = scvi.model.SCANVI if labels else scvi.model.SCVI
    return kind(adata, gene_likelihood=likelihood), len(held)


def _scvi(path: str, epochs: str, likelihood: str, warmup: str, labels: bool = False) -> dict:
    started = time.process_time()
    first, n_held = peer_model(path, likelihood=likelihood, labels=labels)
    adata, share = first.adata, n_held / first.adata.n_obs

    def fit(n: int):
        model = type(first)(adata, gene_likelihood=likelihood)
        plan = {"n_epochs_kl_warmup": int(warmup), "lr": 4e-3} if int(warmup) else {}
        quiet = {"enable_progress_bar": False, "logger": False, "check_val_every_n_epoch": 1}
        model.train(
            n, accelerator="cpu", train_size=1 - share, validation_size=share, shuffle_set_split=False, plan_kwargs=plan, **quiet
        )  # fmt: skip
        return model

    fit(1)
    one = time.process_time() - started
    begun = time.process_time()
    model = fit(int(epochs))
    whole = time.process_time() - begun
    begun = time.process_time()
    fit(1)
    single = time.process_time() - begun
    steady = (whole - single) / (int(epochs) - 1)
    head = np.arange(n_held)
    if not np.array_equal(np.sort(model.validation_indices), head):
        raise RuntimeError("the peer holds out other cells than we do")
    elbo = float(model.get_elbo(indices=head))
    found = model.get_reconstruction_error(indices=head)
    found = found["reconstruction_loss"] if isinstance(found, dict) else found
    begun = time.process_time()
    model.get_latent_representation()
    return {
        "cpu_s_epoch": steady, "start_cpu_s": one - steady, "fit_cpu_s": whole, "encode_cpu_s": time.process_time() - begun,
        "peak_mb": peak_mb(), "elbo": elbo, "reconstruction": float(found),
    }  # fmt: skip


def _scanvi(path: str, epochs: str, likelihood: str, warmup: str) -> dict:
    return _scvi(path, epochs, likelihood, warmup, labels=True)


if __name__ == "__main__":
    found = {"ours": _ours, "ours_labels": _ours_labels, "scvi": _scvi, "scanvi": _scanvi}[sys.argv[1]](*sys.argv[2:])
    print(json.dumps(found))
