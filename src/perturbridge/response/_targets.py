"""What the base learns: displacements at prototypes, in three parts that are orthogonal over the controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Alignment

    from ._prototypes import Prototypes

__all__ = ["PARTS", "displacements_at", "factors", "joined", "row_weights", "split"]

# The mean over controls, what strata differ by, and what cells of a stratum differ by; each is learnt as far as it can be.
PARTS = ("mean", "stratum", "cell")
_MOST_COLUMNS = 256


def displacements_at(alignment: Alignment, x: NDArray[np.float64], strata: NDArray[np.int64]) -> NDArray[np.float32]:
    """Δz of every perturbation at cells in centred coordinates `(n_perturbations, n_cells, n_dims)`."""
    out = np.empty((len(alignment.perturbations), *x.shape), dtype=np.float32)
    for s in np.unique(strata):
        inside = strata == s
        for i, row in enumerate(alignment.displacements):
            out[i, inside] = alignment.move(x[inside], row[s], int(s))
    return out


def split(
    displacements: NDArray[np.floating], prototypes: Prototypes
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean `(…, n_dims)`, strata less the mean `(…, n_strata, n_dims)`, prototypes less their stratum `(…, n_prototypes, n_dims)`."""
    y = np.asarray(displacements, dtype=np.float64)
    mean = np.einsum("k,...kd->...d", prototypes.shares, y)
    stratum = np.einsum("sk,...kd->...sd", prototypes.by_stratum, y)
    stratum -= np.where((prototypes.by_stratum.sum(axis=1) > 0)[:, None], mean[..., None, :], 0.0)
    rest = y - mean[..., None, :] - stratum[..., prototypes.strata, :]
    return mean, stratum, rest


def joined(
    weights: NDArray[np.float64], displacements: NDArray[np.floating], prototypes: Prototypes
) -> NDArray[np.float64]:
    """Predicted displacements at prototypes, from the weight of each training row in each part.

    Parameters
    ----------
    weights
        `(n_parts, n_asked, n_rows)`.
    displacements
        Of the training rows `(n_rows, n_prototypes, n_dims)`.
    prototypes
        Where.

    Returns
    -------
    NDArray
        `(n_asked, n_prototypes, n_dims)`.
    """
    shape = displacements.shape[1:]
    flat = displacements.reshape(len(displacements), -1)
    mean, stratum, cell = ((w @ flat).reshape(-1, *shape) for w in weights)
    return (
        split(mean, prototypes)[0][:, None, :]
        + split(stratum, prototypes)[1][:, prototypes.strata, :]
        + split(cell, prototypes)[2]
    )


def factors(
    displacements: NDArray[np.floating], prototypes: Prototypes, *, rng: np.random.Generator
) -> tuple[NDArray[np.float64], ...]:
    """Columns for each part with the inner products its targets have over controls `(n_rows, n_columns)`.

    Left-out errors know targets through these products alone. Beyond 256 columns they are replaced by random combinations, which keep
    squared norms in expectation.
    """
    mean, stratum, rest = split(displacements, prototypes)
    n = len(mean)
    of_strata = (prototypes.strata[None, :] == np.arange(len(prototypes.spread))[:, None]) @ prototypes.shares
    blocks = (
        mean,
        (stratum * np.sqrt(of_strata)[:, None]).reshape(n, -1),
        (rest * np.sqrt(prototypes.shares)[:, None]).reshape(n, -1),
    )
    return tuple(_shortened(block, rng) for block in blocks)


def _shortened(block: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    n = len(block)
    if block.shape[1] > n:
        values, vectors = np.linalg.eigh(block @ block.T)
        block = vectors * np.sqrt(np.maximum(values, 0.0))
    if block.shape[1] > _MOST_COLUMNS:
        block = block @ (rng.standard_normal((block.shape[1], _MOST_COLUMNS)) / np.sqrt(_MOST_COLUMNS))
    return block


def row_weights(alignment: Alignment, means: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """w_p = 1 / (τ² + noise_p), mean 1 `(n_perturbations,)`, or None where an alignment does not know its noise.

    noise_p is the squared standard error of the mean displacement; τ² is what mean displacements differ by beyond it, by moments and not
    below a tenth of their variance, so that no row outweighs the rest without bound.
    """
    noise = np.array([report.noise for report in alignment.reports])
    if not np.isfinite(noise).all() or len(noise) < 2:
        return None
    spread = float(means.var(axis=0, ddof=1).sum())
    total = max(spread - float(noise.mean()), 0.1 * spread) + noise
    return np.asarray((1 / total) / (1 / total).mean()) if total.min() > 0 else None
