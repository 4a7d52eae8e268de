"""Checks of geometry, transport, pipeline and embedding: operating characteristics, CPU seconds, and scib-metrics beside them.

`fail`, `pass`: share of runs with that verdict; `p <= .05`: share of runs for displacement, pairing and noise to signal; `covered`: share
of runs whose 95 % interval holds the share of displacement that the drawn design has. Two contexts, 8 dimensions, three perturbations
that move cells by `effect` (1 unless named), controls even over contexts, `skew` added to the share of perturbed cells in the last
context. scib-metrics (pip install scib-metrics==0.5.10 beside the package) is given the same graph; without it its rows are left out.
"""

from __future__ import annotations

import time

import numpy as np
from tests.audit._planted import screen_like, subject_of

from perturbridge.audit._geometry import check_geometry
from perturbridge.audit._graph import nearest_cells
from perturbridge.audit._pipeline import check_pipeline
from perturbridge.audit._transport_fooled import check_transport
from perturbridge.values import Latent

WORLDS = (
    {},
    {"skew": 0.3},
    {"skew": 0.3, "effect": 0.0},
    {"skew": 0.3, "heavy": True},
    {"skew": 0.1, "n_contexts": 8, "n": 2400},
    {"skew": 0.3, "shift": 0.5},
    {"skew": 0.3, "shift": 2.0},
    {"shift": 2.0},
)
SIZES = ((10_000, 16, 4), (100_000, 32, 8), (1_000_000, 32, 8))


def run(*, quick: bool) -> list[dict]:
    rows = [_characteristics(world, n_runs=20 if quick else 200) for world in WORLDS]
    for n, d, n_contexts in SIZES[: 1 if quick else 3]:
        z, context, condition = screen_like(n=n, d=d, n_contexts=n_contexts, n_perturbations=50, shift=0.3, skew=0.05)
        subject = subject_of(z, context=context, condition=condition)
        latent = Latent(z=subject.latent.z, trained=np.arange(n) < 0.8 * n)
        calls = {
            "geometry": lambda s=subject: check_geometry(s),
            "transport": lambda s=subject: check_transport(s),
            "pipeline": lambda x=latent: check_pipeline(x),
        }
        rows.append({"what": f"CPU s, {n:,} x {d}", **{name: f"{_seconds(call):.2f}" for name, call in calls.items()}})
    return rows + _beside_scib(quick=quick)


def _seconds(call) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _characteristics(world: dict, *, n_runs: int) -> dict:
    verdicts, ps, covered = [], [], 0
    for seed in range(n_runs):
        planted = {"n": 1200, **world, "seed": 10_000 + seed}
        z, context, condition = screen_like(**planted)
        check = check_transport(subject_of(z, context=context, condition=condition), n_permutations=199, seed=seed)
        share, noise = check.figures["displacement"], check.figures["noise"]
        verdicts.append(check.verdict)
        ps.append([share["p"], check.figures["pairing"]["p"], noise["p"]])
        truth = _truth(context, condition, shift=world.get("shift", 0.0), effect=world.get("effect", 1.0))
        covered += truth is None or share["low"] - 1e-9 <= truth <= share["high"] + 1e-9
    rates = " ".join(f"{rate:.3f}" for rate in (np.array(ps) <= 0.05).mean(axis=0))
    counts = {name: verdicts.count(name) / n_runs for name in ("fail", "pass", "warn", "underpowered")}
    text = ", ".join(f"{key} {value}" for key, value in world.items()) or "no context effect, even"
    return {"what": f"{text} ({n_runs} runs)", **counts, "p <= .05": rates, "covered": covered / n_runs}


def _truth(context, condition, *, shift: float, effect: float) -> float | None:
    """Share of displacement that the drawn mixes have, with contexts `shift` apart along one dimension."""
    codes = np.array([int(name[1:]) for name in context]) * shift
    control = condition == "control"
    leak = total = 0.0
    for name in np.unique(condition[~control]):
        cells = condition == name
        along = (codes[cells].mean() - codes[control].mean()) ** 2
        leak, total = leak + cells.sum() * along, total + cells.sum() * (along + effect**2)
    return None if total == 0 else float(np.sqrt(leak / total))


def _beside_scib(*, quick: bool) -> list[dict]:
    try:
        from scib_metrics import ilisi_knn, kbet
        from scib_metrics.nearest_neighbors import NeighborsResults
    except ImportError:
        return []
    n = 2_000 if quick else 10_000
    z, context, _ = screen_like(n=n, d=16, n_contexts=4, shift=0.5)
    subject = subject_of(z, context=context)
    start = time.process_time()
    neighbors, distances = nearest_cells(z, np.arange(n), k=59)
    graph_s = time.process_time() - start
    own = np.arange(n)[:, None]
    neighbors, distances = np.hstack([own, neighbors]), np.hstack([np.zeros((n, 1)), distances])
    graph = NeighborsResults(indices=neighbors, distances=distances)
    start = time.process_time()
    theirs = float(ilisi_knn(graph, context)), float(kbet(graph, context)[0])
    theirs_s = time.process_time() - start
    start = time.process_time()
    ours = check_geometry(subject, graph=(neighbors, distances), n_queries=n).figures
    ours_s = time.process_time() - start
    return [
        {
            "what": f"{n:,} x 16, one graph of 60 (made in {graph_s:.2f} CPU s)",
            "iLISI ours / theirs": f"{ours['ilisi']:.4f} / {theirs[0]:.4f}",
            "kBET ours / theirs": f"{ours['kbet_acceptance']:.4f} / {theirs[1]:.4f}",
            "CPU s ours (with 99 shuffles) / theirs": f"{ours_s:.2f} / {theirs_s:.2f}",
        }
    ]
