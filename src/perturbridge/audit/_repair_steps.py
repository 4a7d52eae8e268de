"""Ways to take a context out of a latent in closed form, least intrusive first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import group_means
from perturbridge.values import FittedStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from perturbridge.values import Latent

__all__ = ["CLOSED_FORM_STEPS", "RepairCells", "RepairStep", "centre", "context_offsets", "erase", "match_covariance"]


@dataclass(frozen=True, eq=False, kw_only=True)
class RepairCells:
    """What a repair may know of the cells.

    Parameters
    ----------
    context
        Codes `(n_cells,)`, `0 … n_contexts − 1`.
    strata
        Condition x state, codes `(n_cells,)`; what differs between strata is biology and stays.
    fit
        True for cells the repair may be fitted on `(n_cells,)`; the others audit it.
    """

    context: NDArray[np.int64]
    strata: NDArray[np.int64]
    fit: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class RepairStep:
    """One rung of the ladder.

    Parameters
    ----------
    name
        As it stands in tables.
    title
        What it does, for people.
    apply
        `(latent, cells)` ▸ the repaired latent of the same cells; fitted on `cells.fit` alone.
    """

    name: str
    title: str
    apply: Callable[[Latent, RepairCells], Latent]


def context_offsets(
    z: NDArray[np.float64], context: NDArray[np.int64], strata: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Least-squares a_c of z_i = m_{s(i)} + a_{c(i)} + noise, weighted mean 0: what a context adds whatever the stratum.

    Parameters
    ----------
    z
        `(n_cells, n_dims)`.
    context, strata
        Codes `(n_cells,)`.

    Returns
    -------
    NDArray
        `(n_contexts, n_dims)`.
    """
    n_contexts, n_strata = int(context.max()) + 1, int(strata.max()) + 1
    means, per_stratum = group_means(z, strata, n_groups=n_strata)
    table = np.zeros((n_strata, n_contexts))
    np.add.at(table, (strata, context), 1)
    counts = table.sum(axis=0)
    normal = np.diag(counts) - table.T @ (table / np.maximum(per_stratum, 1)[:, None])
    residual = z - means[strata]
    sums = np.stack([np.bincount(context, weights=column, minlength=n_contexts) for column in residual.T], axis=1)
    offsets = np.linalg.pinv(normal, rcond=1e-10) @ sums
    return np.asarray(offsets - counts @ offsets / counts.sum())


def centre(latent: Latent, cells: RepairCells) -> Latent:
    """z_i − a_{c(i)}: subtract from each context what it adds whatever the condition and state.

    Parameters
    ----------
    latent
        To repair.
    cells
        Contexts, strata, and which cells may be used.
    """
    z = np.asarray(latent.z, dtype=np.float64)
    offsets = context_offsets(z[cells.fit], cells.context[cells.fit], cells.strata[cells.fit])
    return _repaired(latent, z - offsets[cells.context], cells, step="centring by context")


def match_covariance(latent: Latent, cells: RepairCells) -> Latent:
    """R C_c^{−½} r + mean: centre, then give the within-stratum covariance of every context the pooled one.

    Removes what a probe that sees variances and correlations can read. Covariances are shrunk towards the pooled one with the weight
    of 2 n_dims cells.

    Parameters
    ----------
    latent
        To repair.
    cells
        Contexts, strata, and which cells may be used.
    """
    z = np.asarray(latent.z, dtype=np.float64)
    fit, context, strata = cells.fit, cells.context, cells.strata
    offsets = context_offsets(z[fit], context[fit], strata[fit])
    z = z - offsets[context]
    means, _ = group_means(z[fit], strata[fit], n_groups=int(strata.max()) + 1)
    middle = means[strata]
    residual = z - middle
    pooled = np.cov(residual[fit].T, ddof=0).reshape(z.shape[1], z.shape[1])
    ridge = 1e-6 * np.trace(pooled) / len(pooled) * np.eye(len(pooled))
    root = _power(pooled + ridge, 0.5)
    for c in range(int(context.max()) + 1):
        rows, prior = fit & (context == c), 2 * z.shape[1]
        n = int(rows.sum())
        own = residual[rows].T @ residual[rows]
        covariance = (own + prior * pooled) / (n + prior) + ridge
        residual[context == c] = residual[context == c] @ _power(covariance, -0.5) @ root
    return _repaired(latent, middle + residual, cells, step="covariance by context")


def erase(latent: Latent, cells: RepairCells) -> Latent:
    """Z − W⁺ P W (z − mean), W = Σ_zz^{−½}, P the projector on the columns of W Σ_zc: no line reads the context any more.

    Least-squares concept erasure (Belrose et al. 2023) with covariances taken within strata. It needs no context label to be applied,
    and gives up n_contexts − 1 directions with whatever biology lies along them.

    Parameters
    ----------
    latent
        To repair.
    cells
        Contexts, strata, and which cells may be used.
    """
    z = np.asarray(latent.z, dtype=np.float64)
    fit = cells.fit
    means, _ = group_means(z[fit], cells.strata[fit], n_groups=int(cells.strata.max()) + 1)
    one_hot = np.eye(int(cells.context.max()) + 1)[cells.context]
    shares, _ = group_means(one_hot[fit], cells.strata[fit], n_groups=int(cells.strata.max()) + 1)
    residual, labels = z[fit] - means[cells.strata[fit]], one_hot[fit] - shares[cells.strata[fit]]
    covariance = residual.T @ residual / len(residual)
    covariance += 1e-8 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    whitener, root = _power(covariance, -0.5), _power(covariance, 0.5)
    directions, strength, _ = np.linalg.svd(whitener @ (residual.T @ labels / len(residual)), full_matrices=False)
    kept = directions[:, strength > 1e-8 * max(float(strength[0]), 1e-300)]
    projector = root @ kept @ kept.T @ whitener
    centred = z - z[fit].mean(axis=0)
    return _repaired(latent, z - centred @ projector.T, cells, step="linear erasure")


def _power(symmetric: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(symmetric)
    floor = 1e-12 * max(float(values[-1]), 1e-300)
    return np.asarray((vectors * np.maximum(values, floor) ** exponent) @ vectors.T)


def _repaired(latent: Latent, z: NDArray[np.float64], cells: RepairCells, *, step: str) -> Latent:
    seen = cells.fit if latent.trained is None else cells.fit | latent.trained
    fitted = FittedStep(name=step, rows="train", split_hash=latent.split_hash, n_cells=int(cells.fit.sum()))
    return replace(
        latent,
        z=z.astype(np.float32),
        name=f"{latent.name}, {step}",
        made_by=f"{latent.made_by}; {step}".lstrip("; "),
        trained=seen,
        steps=(*latent.steps, fitted),
    )


CLOSED_FORM_STEPS = (
    RepairStep(name="centre", title="subtract what each context adds", apply=centre),
    RepairStep(
        name="match_covariance", title="centre, and give every context the pooled covariance", apply=match_covariance
    ),
    RepairStep(name="erase", title="erase the directions along which a line reads the context", apply=erase),
)
"""Least intrusive first; those that retrain an encoder are handed in by the caller."""
