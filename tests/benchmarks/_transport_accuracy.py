"""Per-cell relative error of Δz on simulated latents whose truth is known for every control (1 for no displacement): 4 states, 8 additive
batches, 2,000 controls, 300 perturbed cells, 32 dimensions, root mean square response 2. Means over seeds; skewed: state and batch
composition of the perturbed cells are drawn from Dirichlet(1). Batches are known to all; states only where it says so.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from tests.transport._worlds import make_world, relative_error

from perturbridge.numerics import group_means
from perturbridge.transport import AlignmentSettings, align_latent

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.transport._worlds import World

KINDS = ("group", "linear", "gated", "responders")


def _ours(world: World, *, labels: bool = False, **settings: object) -> np.ndarray:
    n = world.n_controls
    state = world.state if labels else None
    alignment = align_latent(
        world.latent, audit="override: planted", condition=world.condition, context=world.batch, state=state,
        settings=AlignmentSettings(**settings),
    )  # fmt: skip
    given = {"state": state[:n]} if labels and alignment.strata_by == "state" else {}
    return alignment.displacement(world.latent.z[:n], "g000", context=world.batch[:n], **given)


def _centred(world: World) -> np.ndarray:
    _, batch = np.unique(world.batch, return_inverse=True)
    z, n = world.latent.z.astype(np.float64), world.n_controls
    return z - group_means(z[:n], batch[:n], n_groups=batch.max() + 1)[0][batch]


def _mean(world: World, *, centred: bool = False, states: bool = False) -> np.ndarray:
    n = world.n_controls
    z = _centred(world) if centred else world.latent.z.astype(np.float64)
    out = np.empty((n, z.shape[1]))
    groups = world.state if states else np.zeros(len(z))
    for group in np.unique(groups):
        left, right = z[:n][groups[:n] == group], z[n:][groups[n:] == group]
        # A state that the perturbation lacks moves as all cells do.
        out[groups[:n] == group] = (right if len(right) else z[n:]).mean(axis=0) - (left if len(right) else z[:n]).mean(
            axis=0
        )
    return out


def _raw_emd(world: World) -> np.ndarray:
    import ot

    z, n = _centred(world), world.n_controls
    cost = ot.dist(z[:n], z[n:])
    plan = ot.emd(np.full(n, 1 / n), np.full(len(z) - n, 1 / (len(z) - n)), cost, numItermax=10_000_000)
    return n * plan @ z[n:] - z[:n]


CONTENDERS: dict[str, Callable[[World], np.ndarray]] = {
    "**default** (clusters, no labels)": _ours,
    "**default**, states known": partial(_ours, labels=True),
    "one stratum, no labels": partial(_ours, strata="none"),
    "bures": partial(_ours, solver="bures"),
    "emd, shrunk": partial(_ours, solver="emd"),
    "unbalanced": partial(_ours, solver="unbalanced"),
    "partial": partial(_ours, solver="partial"),
    "raw: entropic barycentre − cell, one stratum": partial(_ours, solver="raw", strata="none"),
    "raw: exact barycentre − cell (`ot.emd`)": _raw_emd,
    "mean shift": _mean,
    "mean shift, batches centred": partial(_mean, centred=True),
    "mean within state, batches centred, states known": partial(_mean, centred=True, states=True),
    "zero": lambda world: np.zeros((world.n_controls, world.latent.n_dims)),
}


def run(*, quick: bool = False) -> list[dict]:
    size = {"n": 500, "m": 100, "n_dims": 8} if quick else {}
    errors: dict[str, dict[str, list[float]]] = {name: {} for name in CONTENDERS}
    for kind in KINDS:
        for skewed in (False, True):
            column = f"{kind}, skewed" if skewed else kind
            for seed in range(1 if quick else 4):
                world = make_world(seed, kind, skewed=skewed, **size)
                for name, contender in CONTENDERS.items():
                    error = relative_error(contender(world), world.truth["g000"])
                    errors[name].setdefault(column, []).append(error)
    return [
        {"estimator": name, **{c: float(np.mean(e)) for c, e in columns.items()}} for name, columns in errors.items()
    ]
