"""Latents whose leak is known, because it was planted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False, kw_only=True)
class Planted:
    """Coordinates and labels of cells."""

    z: np.ndarray
    context: np.ndarray
    condition: np.ndarray
    sample: np.ndarray
    state: np.ndarray


def planted(
    rng: np.random.Generator,
    *,
    n_cells: int = 1_000,
    n_dims: int = 16,
    n_contexts: int = 2,
    n_conditions: int = 5,
    samples_per_context: int = 0,
    shift: float = 0.0,
    spread: float = 1.0,
    sample_sd: float = 0.0,
    condition_shift: float = 1.0,
    association: float = 0.0,
    imbalance: float = 1.0,
    heavy: bool = False,
    xor: bool = False,
) -> Planted:
    """Draw cells: condition, then context given condition, then z = condition shift + context shift + sample shift + noise.

    `shift` moves context k along dimension k mod n_dims (and is the distance between two contexts where there are two); `association`
    is the chance that a cell's context is decided by its condition; `imbalance` the size of the largest context over the smallest.
    """
    condition = rng.integers(n_conditions, size=n_cells)
    share = np.geomspace(imbalance, 1, n_contexts)
    drawn = rng.choice(n_contexts, size=n_cells, p=share / share.sum())
    context = np.where(rng.random(n_cells) < association, condition % n_contexts, drawn)
    noise = rng.standard_t(2, size=(n_cells, n_dims)) if heavy else rng.normal(size=(n_cells, n_dims))
    directions = rng.normal(size=(n_conditions, n_dims))
    directions[0] = 0
    z = noise + condition_shift * directions[condition] / np.sqrt(n_dims) * 2
    rows = np.arange(n_cells)
    if n_contexts == 2:
        z[:, 0] += shift * context
        z[:, 1] *= np.where(context == 1, spread, 1.0)
    else:
        z[rows, context % n_dims] += shift
    if xor:
        context = ((z[:, 2] > 0) ^ (z[:, 3] > 0)).astype(int)
    sample = np.zeros(n_cells, dtype=int)
    if samples_per_context:
        sample = context * samples_per_context + rng.integers(samples_per_context, size=n_cells)
        z += sample_sd * rng.normal(size=(n_contexts * samples_per_context, n_dims))[sample]
    return Planted(
        z=z.astype(np.float32),
        context=np.array([f"chip{k}" for k in context]),
        condition=np.array(["control" if k == 0 else f"gene{k}" for k in condition]),
        sample=np.array([f"s{k}" for k in sample]),
        state=np.array([f"type{k}" for k in rng.integers(2, size=n_cells)]),
    )
