"""Cells of genes nobody has perturbed, against the planted truth of simulated latents.

120 training and 40 unseen perturbations of 300 cells, 2,000 controls, 32 dimensions, 4 states, 8 additive batches, state composition drawn
for each perturbation, 30 % without effect; effects linear in six factors, seen through a noisy embedding of 64. *states*: they differ by
state. *cells*: by state and, linearly, within each. *bent*: as *states*, by products of factors as well, which no linear map of the embedding
knows. Targets: of `align_latent` with its defaults, and raw entropic barycentres (`solver="raw"`, base alone). Error: per cell, root of the
squared error over that of no displacement, over controls and unseen perturbations, mean and standard error over seeds; *energy*: of moved
controls to real cells of the unseen perturbation, over that of controls left where they are, per stratum, without the bias of finite samples.
"""

from __future__ import annotations

import sys
import time

import numpy as np

WORLDS = {
    "states": {"within": 0.0, "by_state": 0.8},
    "cells": {"within": 0.5, "by_state": 0.5},
    "bent": {"within": 0.0, "by_state": 0.8, "bend": 1.0, "null": 0.0, "noise": 0.1},
}
SIZES = {"n_train": 120, "n_unseen": 40, "n_controls": 2000, "n_cells": 300, "n_dims": 32, "skewed": True}
QUICK = {"n_train": 40, "n_unseen": 10, "n_controls": 600, "n_cells": 80, "n_dims": 16, "skewed": True}


def ladder(world, batches, *, targets: str, seed: int) -> dict[str, dict[str, float]]:
    """Every step, fitted on the training perturbations and scored on the others."""
    from tests.response._world import codes_of, rows_of

    from perturbridge.response import ResponseModel, ResponseSettings
    from perturbridge.response._targets import joined, split
    from perturbridge.transport import AlignmentSettings, align_latent

    latent = world.latent
    alignment = align_latent(
        latent,
        audit="override: planted",
        perturbations=world.train,
        settings=AlignmentSettings(solver=targets, seed=seed),
    )
    started = time.process_time()
    injection = "film" if targets == "sinkhorn" else None
    model = ResponseModel(world.embedding, injection=injection, settings=ResponseSettings(seed=seed))
    model.fit(alignment, latent, cells=latent)
    spent = time.process_time() - started
    fitted = model.fitted_
    rows = rows_of(latent, "control")
    batch, state = (codes_of(latent, role)[rows] for role in ("context", "state"))
    z = latent.z[rows].astype(float)
    x = fitted.frame.centred(z, [f"b{b}" for b in batch])
    strata = fitted.frame.strata_of(x, context=[f"b{b}" for b in batch], state=[f"s{s}" for s in state])
    read = fitted.prototypes.weights(x, strata)
    average = np.einsum("i,ikd->kd", fitted.ridge.mean, fitted.displacements.astype(float))
    sums: dict[str, np.ndarray] = {}
    for name in world.unseen:
        true = world.truth(name, z, batch_shift=batches[batch], state=state)
        base = joined(fitted.ridge.row_weights([name]), fitted.displacements, fitted.prototypes)[0]
        moves = {
            "zero": np.zeros_like(z),
            "mean shift": np.zeros_like(z) + split(average, fitted.prototypes)[0],
            "ridge, mean": np.zeros_like(z) + split(base, fitted.prototypes)[0],
            "ridge, cells": read @ base,
            "model": fitted.displacement([name], x, strata)[0],
        }
        for step, move in moves.items():
            off, size = ((move - true) ** 2).sum(), (true**2).sum()
            energy = _energy(world, name, x + move, x, frame=fitted.frame, strata=strata)
            sums[step] = sums.get(step, 0.0) + np.array([off, size, *energy])
    found = {
        step: {"error": float(np.sqrt(off / size)), "energy": float(moved / still)}
        for step, (off, size, moved, still) in sums.items()
    }
    found["model"] |= {"gate": model.report_["residual"]["gate"], "cpu s": spent}
    return found


def _energy(world, name, moved, still, *, frame, strata) -> tuple[float, float]:
    """Energy distance to the real cells of this perturbation, summed over strata by their share of its cells."""
    from tests.response._world import codes_of, rows_of

    from perturbridge.response._energy import energy_distance

    rows = rows_of(world.latent, name)
    y = frame.centred(world.latent.z[rows], [f"b{b}" for b in codes_of(world.latent, "context")[rows]])
    theirs = codes_of(world.latent, "state")[rows]
    out = np.zeros(2)
    for s in np.unique(theirs):
        mine, here = np.flatnonzero(strata == s), np.flatnonzero(theirs == s)
        n = min(len(mine), len(here), 150)
        if n < 10:
            continue
        one = np.zeros(n, dtype=int)
        chosen = mine[:: len(mine) // n][:n]
        out += (
            len(here)
            / len(rows)
            * np.array([energy_distance(each[chosen], y[here[:n]], one) for each in (moved, still)])
        )
    return float(out[0]), float(out[1])


def run(*, quick: bool) -> list[dict]:
    from tests.response._world import make_world

    rows = []
    for kind, planted in WORLDS.items():
        for targets in ("sinkhorn", "raw"):
            seeds = [
                ladder(*make_world(**(QUICK if quick else SIZES) | planted, seed=seed), targets=targets, seed=seed)
                for seed in range(1 if quick else 4)
            ]
            ratios = [each["model"]["error"] / each["ridge, mean"]["error"] for each in seeds]
            for step in seeds[0]:
                row = {"world": kind, "targets": "debiased" if targets == "sinkhorn" else "raw", "step": step}
                row |= {key: _over([each[step][key] for each in seeds]) for key in ("error", "energy")}
                if step == "model":
                    row |= {
                        "model / ridge, mean": _over(ratios),
                        "gate": " ".join(f"{each[step]['gate']:.2g}" for each in seeds),
                        "cpu s": f"{np.mean([each[step]['cpu s'] for each in seeds]):.1f}",
                    }
                rows.append(row)
                print(row, file=sys.stderr, flush=True)
    return rows


def _over(values) -> str:
    se = f" ± {np.std(values, ddof=1) / np.sqrt(len(values)):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{se}"
