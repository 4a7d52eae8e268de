"""Mean displacements of the strata of one perturbation, each drawn towards what they have in common by as much as it is noisy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Pooled", "pool_means"]

_N_STEPS = 60


@dataclass(frozen=True, eq=False, kw_only=True)
class Pooled:
    """Result of `pool_means`.

    Parameters
    ----------
    shifts
        Displacement of each stratum `(n_strata, n_dims)`.
    own_share
        λ, share of the stratum's own mean, τ²/(τ² + noise), in [0, 1] `(n_strata,)`.
    common
        Common mean, before `gain` `(n_dims,)`.
    gain
        Factor on the common mean, in [0, 1].
    noise
        Squared standard error of the mean of `shifts`, weighted by `shares`, summed over dimensions; ∞ without cells.
    between
        τ², variance between strata, summed over dimensions.
    """

    shifts: NDArray[np.float64]
    own_share: NDArray[np.float64]
    common: NDArray[np.float64]
    gain: float
    noise: float
    between: float


def pool_means(
    means: NDArray[np.float64],
    noise: NDArray[np.float64],
    *,
    shares: NDArray[np.float64] | None = None,
    shrink: bool = True,
) -> Pooled:
    """shift_k = λ_k D_k + (1 − λ_k) g μ,  λ_k = τ² / (τ² + noise_k),  g = max(0, 1 − noise_μ / ‖μ‖²).

    D_k ~ N(μ, (τ² + noise_k)/d · I): τ² is where the restricted likelihood of all D_k is largest, μ their mean with weights
    1/(τ² + noise_k) (a random-effects meta-analysis, DerSimonian & Laird 1986, over dimensions at once). A stratum without cells, whose
    noise is infinite, moves as the others do. g is the positive-part estimate of James and Stein.

    Parameters
    ----------
    means
        D_k, mean of the perturbed minus mean of the controls `(n_strata, n_dims)`; ignored where noise is infinite.
    noise
        Squared standard error of D_k, summed over dimensions; ∞ where a stratum has no cells `(n_strata,)`.
    shares
        Share of the controls in each stratum `(n_strata,)`; default equal.
    shrink
        False: D_k as they are, and μ where there are no cells.
    """
    known = np.isfinite(noise)
    d, observed, own = means.shape[1], means[known], np.maximum(noise[known], 1e-300)
    if not known.any():
        zero = np.zeros(d)
        return Pooled(
            shifts=np.zeros_like(means),
            own_share=np.zeros(len(noise)),
            common=zero,
            gain=0.0,
            noise=np.inf,
            between=0.0,
        )
    between = _between(observed, own) if len(observed) > 1 and shrink else 0.0
    weights = 1.0 / (between + own)
    common = weights @ observed / weights.sum()
    uncertain = float(1.0 / weights.sum())
    length = float(common @ common)
    gain = max(0.0, 1.0 - uncertain / length) if length > 0 else 0.0
    share = np.zeros(len(noise))
    if not shrink:
        gain, share[known] = 1.0, 1.0
    elif len(observed) > 1:
        share[known] = between / (between + own)
    own_means = np.where(known[:, None], means, 0.0)
    shifts = share[:, None] * own_means + (1.0 - share)[:, None] * gain * common
    return Pooled(
        shifts=shifts,
        own_share=share,
        common=common,
        gain=gain,
        noise=_of_mean(weights / weights.sum(), own, own_share=share, shares=shares, known=known),
        between=between,
    )


def _of_mean(
    weights: NDArray[np.float64],
    noise: NDArray[np.float64],
    *,
    own_share: NDArray[np.float64],
    shares: NDArray[np.float64] | None,
    known: NDArray[np.bool_],
) -> float:
    """Σ_j c_j² noise_j for Σ_k s_k shift_k = Σ_j c_j D_j, the gain left out: what is drawn to 0 is no surer for it."""
    s = np.full(len(known), 1.0 / len(known)) if shares is None else shares
    c = (s * own_share)[known] + float((s * (1.0 - own_share)).sum()) * weights
    return float((c**2) @ noise)


def _between(means: NDArray[np.float64], noise: NDArray[np.float64]) -> float:
    """τ² on a grid from 0 to the largest squared distance between two means, by restricted likelihood."""
    d = means.shape[1]
    spread = float(((means - means.mean(axis=0)) ** 2).sum(axis=1).max())
    if spread == 0:
        return 0.0
    grid = np.concatenate([[0.0], np.geomspace(1e-4 * spread, 4.0 * spread, _N_STEPS)])
    variance = (grid[:, None] + noise[None, :]) / d
    weights = 1.0 / variance
    total = weights.sum(axis=1)
    squares = np.einsum("ij,ij->i", means, means)
    common = (weights @ means) / total[:, None]
    misfit = weights @ squares - total * np.einsum("ij,ij->i", common, common)
    likelihood = -0.5 * (d * np.log(variance).sum(axis=1) + misfit + d * np.log(total))
    return float(grid[int(likelihood.argmax())])
