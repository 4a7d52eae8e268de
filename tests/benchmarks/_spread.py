"""The same work by one process, by LocalClusters of 1, 2 and 4 workers of one thread, and by two `dask worker` processes behind a `dask scheduler`
over loopback: seconds of the work on the clock (cluster started, libraries loaded), CPU seconds of client and workers together, and whether
every bit of the result is that of one process. Alignment: 200 perturbations x 300 cells v 2,000 controls, 32 dimensions. Cross-validation:
5 folds, our model and 8 baselines, 500 perturbations x 3,000 genes. Scores: 3 predictions, 5 baselines and a duplicate, 400 perturbations x
3,000 genes. Rank tests: 24 perturbations x 100 cells v 2,000 controls, 1,000 genes, from an h5ad file.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ._cluster import apart

SIZES = {"align": (200, 300, 2_000), "cross-validate": (500, 3_000), "score": (500, 3_000, 400), "ranks": (24, 1_000)}
QUICK = {"align": (30, 100, 400), "cross-validate": (40, 100), "score": (60, 100, 30), "ranks": (4, 60)}


def align(size, folder):
    from tests.transport._worlds import make_world

    from perturbridge.transport import align_latent

    p, m, n = size
    world = make_world(0, "group", n=n, m=m, n_perturbations=p)

    def work(client):
        done = align_latent(
            world.latent, audit="override: planted", condition=world.condition, context=world.batch, client=client
        )
        where, batch = world.latent.z[:200], list(world.batch[:200])
        figures = np.array([plan.mean_error for plan in done.plans])
        # What is compared is taken when the clock has stopped.
        return lambda: [
            *(done.displacement(where, str(name), context=batch) for name in done.perturbations), done.context_mass, figures
        ]  # fmt: skip

    return work


def planted(n, n_genes):
    from perturbridge.values import ContextTable, Effects, EmbeddingCard, GeneEmbedding

    rng = np.random.default_rng(0)
    names = tuple(f"P{i}" for i in range(n))
    embedding = GeneEmbedding(
        vectors=rng.normal(size=(n, 256)), genes=names, rows=np.arange(n), card=EmbeddingCard(name="planted")
    )
    contexts = ContextTable(
        names=("a", "b"), n_perturbed=np.full((n, 2), 50), n_control=np.array([500, 500]),
        control_mean=rng.random((2, n_genes)), control_variance=0.5 + rng.random((2, n_genes)),
    )  # fmt: skip
    truth = embedding.vectors @ rng.normal(size=(256, n_genes)) * 0.02

    def measured(noise):
        return Effects(
            perturbations=names, genes=tuple(f"G{i}" for i in range(n_genes)), delta=truth + noise, n_cells=np.full(n, 100),
            control_mean=contexts.control_mean.mean(axis=0), variance=0.5 + rng.random((n, n_genes)), contexts=contexts,
        )  # fmt: skip

    return [measured(0.1 * rng.normal(size=truth.shape)) for _ in range(3)], embedding


def cross(size, folder):
    from perturbridge.effects import EffectModel
    from perturbridge.pipeline import cross_validate

    (effects, *_), embedding = planted(*size)

    def work(client):
        done = cross_validate(EffectModel([embedding]), effects, folds=5, client=client)
        return lambda: [done.scores.value, done.scores.as_rival, done.held_out.delta]

    return work


def score(size, folder):
    from dataclasses import replace

    from perturbridge.effects import EffectModel
    from perturbridge.pipeline._candidates import Candidate
    from perturbridge.pipeline._evaluate import evaluate_candidates

    (effects, *halves), embedding = planted(*size[:2])
    test, train = effects.perturbations[: size[2]], effects.perturbations[size[2] :]
    first = EffectModel([embedding]).fit(effects.take(train)).predict(test)
    models = [replace(first, delta=first.delta * scale, model=f"x{scale}") for scale in (0.5, 1.0, 2.0)]

    def work(client):
        done = evaluate_candidates(
            [Candidate(prediction=one) for one in models], effects, halves=tuple(halves), client=client
        )
        return lambda: [done.scores.value, done.scores.as_rival]

    return work


def ranks(size, folder):
    import perturbridge as pb
    from perturbridge.pipeline._rank_tests import real_rank_contrast

    path = folder / f"ranks-{size[0]}.h5ad"
    if not path.exists():
        simulated = pb.simulate.screen(
            n_perturbations=size[0], n_genes=size[1], cells_per_perturbation=100, n_controls=2_000, seed=0
        )
        pb.write_screen(simulated, path)
    screen = pb.read_screen(path)
    effects = pb.pseudobulk(screen)

    def work(client):
        found = real_rank_contrast(screen, effects, effects.perturbations, seed=0, client=client)
        return lambda: [found.size, found.p]

    return work


WORKS = {"align": align, "cross-validate": cross, "score": score, "ranks": ranks}


def cpu(client):
    """CPU seconds so far of this process and of all workers."""
    return time.process_time() + (0.0 if client is None else sum(client.run(time.process_time).values()))


def timed(work, client):
    before, started = cpu(client), time.perf_counter()
    answer = work(client)
    took, spent = time.perf_counter() - started, cpu(client) - before
    return np.concatenate([np.asarray(array, dtype=np.float64).ravel() for array in answer()]), took, spent


def run(*, quick: bool = False) -> list[dict]:
    from perturbridge.workers import open_workers

    rows, alone = [], {}
    with TemporaryDirectory() as name, apart(2, Path(name)) as beyond:
        warm = {work: make(QUICK[work], Path(name)) for work, make in WORKS.items()}
        works = warm if quick else {work: make(SIZES[work], Path(name)) for work, make in WORKS.items()}
        places = {
            "one process": None,
            "LocalCluster, 1 worker": "local:1",
            "LocalCluster, 2 workers": "local:2",
            "LocalCluster, 4 workers": "local:4",
            "scheduler and 2 workers, tcp": beyond.scheduler.address,
        }
        for label, where in places.items():
            with open_workers(where) as workers:
                client = None if where is None else workers.client
                for work, once in works.items():
                    # Twice, so that every worker has loaded its libraries.
                    for _ in range(2):
                        warm[work](client)
                    values, took, spent = timed(once, client)
                    alone.setdefault(work, (values, took))
                    rows.append(
                        {"work": work, "where": label, "seconds": took, "CPU s": spent, "speed-up": alone[work][1] / took,
                         **compared(alone[work][0], values), "load": os.getloadavg()[0]}
                    )  # fmt: skip
    return sorted(rows, key=lambda row: list(WORKS).index(row["work"]))


def compared(first, other):
    both = np.isfinite(first)
    same = [hashlib.sha256(values.tobytes()).hexdigest() for values in (first, other)]
    return {
        "largest difference": float(np.abs(first[both] - other[both]).max()),
        "SHA-256": "equal" if same[0] == same[1] else "differs",
    }
