"""What is kept of the displacements within a stratum: the directions that stand out from controls paired with controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["kept_directions"]


def kept_directions(apart: NDArray[np.float64], null_top: float) -> tuple[NDArray[np.float64], float]:
    """A = Σ_k max(0, 1 − ν/σ_k) q_k q_kᵀ for the eigenpairs (σ_k, q_k) of RᵀR/n, R the displacements freed of their mean.

    ν is the largest eigenvalue that controls against controls give, so that a direction counts only if it beats the luckiest one of
    pure noise. Returns A `(n_dims, n_dims)` and the share of Σ σ_k that R A keeps, in [0, 1].

    Parameters
    ----------
    apart
        R `(n_controls, n_dims)`.
    null_top
        ν, squared units of the latent.
    """
    values, vectors = np.linalg.eigh(apart.T @ apart / max(len(apart), 1))
    values = np.maximum(values, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = np.where(values > null_top, 1.0 - null_top / values, 0.0)
    total = float(values.sum())
    return np.asarray((vectors * kept) @ vectors.T), float(kept**2 @ values) / total if total > 0 else 0.0
