"""One process and two under `torchrun` at the same global batch, on the same 20,000 x 2,000 screen whose cells lie by context, gloo, one thread each.

Bounds in nats per cell: the held-out one after each epoch, and that of 2,000 cells which no fit has seen. Both ways start from the same weights and
hold the same cells out, so that they are compared seed by seed; beside it how far seeds alone take either. Then what a process holds and reads of
100,000 x 2,000 cells, and runs of two in which one is killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ._contender import ROOT, measure, peak_mb

MODULE = "tests.benchmarks._torchrun"
N_UNSEEN = 2000


def run(*, quick: bool) -> list[dict]:
    """Measure."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        small, large = folder / "screen.h5ad", folder / "large.h5ad"
        measure(MODULE, "simulate", str(small), "4000" if quick else "20000", "300" if quick else "2000")
        measure(MODULE, "simulate_large", str(large), "20000" if quick else "100000")
        seeds = range(2 if quick else 4)
        epochs = 3 if quick else 10
        fits = {n: [_fit(folder, small, n, seed=s, epochs=epochs) for s in seeds] for n in (1, 2)}
        rows = [*_curves(fits), *_costs(fits, "20,000 x 2,000" if not quick else "4,000 x 300")]
        for how in ("memory", "stream"):
            held = {n: [_fit(folder, large, n, seed=0, epochs=1, how=how)] for n in (1, 2)}
            rows += _costs(held, f"{20_000 if quick else 100_000:,} x 2,000, {how}")
        whole = fits[2][0][0]
        return rows + [_killed(folder, small, whole, epochs=epochs, turn=i) for i in range(1 if quick else 3)]


def _command(n: int, *arguments: object) -> subprocess.Popen:
    launcher = [] if n == 1 else ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n)]
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", MODULE, "fit", *(str(a) for a in arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _fit(folder: Path, path: Path, n: int, *, seed: int, epochs: int, how: str = "memory") -> list[dict]:
    """What each process says of a fit."""
    running = _command(n, path, seed, epochs, how, folder / "said", "-")
    _, err = running.communicate()
    if running.returncode != 0:
        raise RuntimeError(err)
    return [json.loads((folder / f"said-{rank}.json").read_text()) for rank in range(n)]


def _curves(fits: dict[int, list[list[dict]]]) -> list[dict]:
    bounds = {
        n: np.array([[r["held_out_elbo"] for r in fit[0]["history"]] for fit in made]) for n, made in fits.items()
    }
    last = {n: np.array([fit[0]["unseen_elbo"] for fit in made]) for n, made in fits.items()}
    rows = [_row(f"held-out bound, epoch {i + 1}", bounds[1][:, i], bounds[2][:, i]) for i in range(bounds[1].shape[1])]
    return [*rows, _row(f"bound of {N_UNSEEN:,} unseen cells", last[1], last[2])]


def _row(what: str, one: np.ndarray, two: np.ndarray) -> dict:
    less, n = two - one, len(one)
    figures = {"one process": f"{one.mean():.2f}", "two": f"{two.mean():.2f}", "two less one": f"{less.mean():+.2f}"}
    spread = {"± s.e.": f"{less.std(ddof=1) / n**0.5:.2f}", "s.d. over seeds, one": f"{one.std(ddof=1):.2f}"}
    return {"what": what, "n": n} | figures | spread | {"s.d. over seeds, two": f"{two.std(ddof=1):.2f}"}


def _costs(fits: dict[int, list[list[dict]]], what: str) -> list[dict]:
    rows = []
    for name, key in (("wall s of a fit", "wall_s"), ("CPU s of a fit, all processes", "cpu_s")):
        added = {
            n: [sum(p[key] for p in fit) if key == "cpu_s" else fit[0][key] for fit in made] for n, made in fits.items()
        }
        rows.append(_ratio(f"{what}: {name}", min(added[1]), min(added[2])))
    for name, key in (
        ("peak MB of a process", "peak_mb"),
        ("of which the fit added", "added_mb"),
        ("MB read in the fit by a process", "read_mb"),
    ):
        worst = {n: max(p[key] for fit in made for p in fit) for n, made in fits.items()}
        rows.append(_ratio(f"{what}: {name}", worst[1], worst[2]))
    return rows


def _ratio(what: str, one: float, two: float) -> dict:
    return {"what": what, "one process": f"{one:.3g}", "two": f"{two:.3g}", "two / one": f"{two / one:.2f}"}


def _killed(folder: Path, path: Path, whole: dict, *, epochs: int, turn: int) -> dict:
    """Kill a process of two at a moment drawn after the first checkpoint, start the same command again, and compare."""
    file = folder / f"run-{turn}.safetensors"
    arguments = (path, 0, epochs, "memory", folder / f"killed-{turn}", file)
    running = _command(2, *arguments)
    while not file.exists():
        time.sleep(0.05)
    rng = np.random.default_rng((7, turn))
    time.sleep(float(rng.uniform(0, 0.4 * whole["wall_s"])))
    table = subprocess.run(["ps", "-A", "-o", "ppid=,pid="], capture_output=True, text=True, check=True).stdout
    workers = sorted(
        int(pid) for above, pid in (line.split() for line in table.splitlines()) if int(above) == running.pid
    )
    victim = turn % 2
    os.kill(workers[victim], signal.SIGKILL)
    started = time.perf_counter()
    _, err = running.communicate()
    seconds = time.perf_counter() - started
    clear = "stops: another one has ended or" in err and running.returncode != 0
    again = _command(2, *arguments)
    _, err = again.communicate()
    if again.returncode != 0:
        raise RuntimeError(err)
    said = json.loads((folder / f"killed-{turn}-0.json").read_text())
    figures = (
        f"clear error {clear}, ended after {seconds:.1f} s, resumed at step {said['first_step']} of {said['steps']}"
    )
    return {
        "what": f"process {victim} killed: {figures}; weights those of the whole run",
        "two": said["sha256"] == whole["sha256"],
    }


def _simulate(path: str, n_cells: str, n_genes: str) -> None:
    import perturbridge as pb
    from perturbridge.screens import write_screen

    n = int(n_cells)
    made = pb.simulate.screen(
        n_perturbations=40,
        n_genes=int(n_genes),
        cells_per_perturbation=n // 50,
        n_controls=n - 40 * (n // 50),
        n_contexts=4,
        context_scale=0.5,
        library_size=3000,
        seed=1,
    )
    write_screen(made, path)
    _sort_by_context(path)


def _sort_by_context(path: str) -> None:
    import anndata as ad

    cells = ad.read_h5ad(path)
    cells[np.argsort(cells.obs["context"].astype(str).to_numpy(), kind="stable")].write_h5ad(path)


def _simulate_large(path: str, n_cells: str) -> None:
    from perturbridge.screens import simulate

    simulate.write_large(path, n_cells=int(n_cells), n_genes=2000, n_conditions=200, n_contexts=8, density=0.1)


def _fit_one(path: str, seed: str, epochs: str, how: str, out: str, checkpoint: str) -> None:
    """Fit, in one process or as one of several, and write down what this one did."""
    import torch

    import perturbridge as pb
    from perturbridge.latent import LatentModel, Training
    from perturbridge.latent._bound import elbo

    torch.set_num_threads(1)
    screen = pb.read_screen(path, context="context")
    shuffled = np.random.default_rng(11).permutation(screen.n_cells)
    unseen, rows = np.sort(shuffled[:N_UNSEEN]), np.sort(shuffled[N_UNSEEN:])
    training = Training(
        epochs=int(epochs),
        batch_size=128 if screen.n_cells < 50_000 else 512,
        stream=how == "stream",
        precision="fp32",
        device="cpu",
        seed=int(seed),
        checkpoint=None if checkpoint == "-" else Path(checkpoint),
        checkpoint_steps=20,
    )
    steps: list[tuple[int, int]] = []
    opened, read = peak_mb(), _read_mb()
    started, wall = time.process_time(), time.perf_counter()
    model = LatentModel(training=training).fit(screen, rows=rows, progress=lambda *at: steps.append(at))
    said = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - started, "peak_mb": peak_mb()}
    said |= {"added_mb": peak_mb() - opened, "read_mb": _read_mb() - read, "history": model.history_}
    rank = int(os.environ.get("RANK", "0"))
    if rank == 0:
        weights = model.fitted_.module.state_dict()
        digest = hashlib.sha256(b"".join(weights[name].numpy().tobytes() for name in sorted(weights)))
        bound = elbo(model.open(screen, unseen), n_samples=3, seed=0).mean()
        said |= {"sha256": digest.hexdigest(), "unseen_elbo": float(bound)}
        said |= {"first_step": steps[0][0], "steps": steps[0][1]} if steps else {}
    Path(f"{out}-{rank}.json").write_text(json.dumps(said))


def _read_mb() -> float:
    """Bytes that this process has read so far, from disk or from the page cache."""
    told = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(told["rchar"]) / 1e6


if __name__ == "__main__":
    {"simulate": _simulate, "simulate_large": _simulate_large, "fit": _fit_one}[sys.argv[1]](*sys.argv[2:])
