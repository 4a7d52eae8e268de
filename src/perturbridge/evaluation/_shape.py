"""Shape metrics: does the predicted profile point where the real one does?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._profile import Profile, mean_over_genes, row_dot
from ._ranks import ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._metric import Aligned

__all__ = [
    "cosine_delta",
    "pearson_delta",
    "pearson_delta_ceiling",
    "pearson_delta_denoised",
    "pearson_delta_pert",
    "pearson_delta_pert_ceiling",
    "pearson_delta_pert_denoised",
    "spearman_delta",
]

# No prediction is taken to be noisier than three quarters of its variance.
_LEAST_RELIABLE = 0.25
# Mean of sign(u) √(1 − e^−|u|) is 0 at this shift for u = ln(χ²_ν / ν): 0.81 for ν = 20, 0.83 for ν = 1,000.
_CENTER = 0.82


def pearson_delta(pair: Aligned) -> NDArray[np.float64]:
    """Pearson correlation over genes of predicted and real Δ; NaN where either is constant."""
    return pair.pred_profile.correlation(pair.true_profile)


def pearson_delta_pert(pair: Aligned) -> NDArray[np.float64]:
    """Pearson correlation over genes of pred − m and true − m, m the mean Δ of the training perturbations.

    The shift that every perturbation shares is taken out of both sides, so that the mean of the training perturbations, which
    has no profile of its own left, is NaN. NaN also where m is unknown. Systema (2025) with the reference fitted on training rows.

    No change and a shrunken mean are not constant here: they point along −m, as perturbations weaker than the average do. Where
    strengths differ much they score well above zero without knowing anything, so they belong among the baselines.
    """
    if pair.train_mean is None:
        return np.full(len(pair.true), np.nan)
    return pair.pred_against_mean.correlation(pair.true_against_mean)


def spearman_delta(pair: Aligned) -> NDArray[np.float64]:
    """Pearson correlation of the ranks over genes of predicted and real Δ, ties at their mean rank; NaN where either is constant."""
    # Genes that do not count rank after all others and leave the ranks of those unchanged.
    pred, true = (Profile(ranks(np.where(pair.counted, side, np.inf)), pair.counted) for side in (pair.pred, pair.true))
    constant = pair.pred_profile.is_flat | pair.true_profile.is_flat
    return np.where(constant, np.nan, pred.correlation(true))


def cosine_delta(pair: Aligned) -> NDArray[np.float64]:
    """Σ_g pred_g true_g / (‖pred‖ ‖true‖); NaN where either is all zeros."""
    pred, true = pair.pred * pair.counted, pair.true * pair.counted
    size = np.sqrt(row_dot(pred, pred)) * np.sqrt(row_dot(true, true))
    out = np.full(len(pred), np.nan)
    np.divide(row_dot(pred, true), size, out=out, where=size > 0)
    return np.asarray(np.clip(out, -1.0, 1.0), dtype=np.float64)


def pearson_delta_denoised(pair: Aligned) -> NDArray[np.float64]:
    """`pearson_delta` / √(1 − mean_g allowance_g / var_g(pred)): what the predicted cells' mean reaches with endless cells.

    Correction for attenuation (Spearman 1904), by a factor of 2 at most. Equal to `pearson_delta` for a prediction without cells.
    """
    return _denoised(pearson_delta(pair), pair.pred_profile, pair)


def pearson_delta_pert_denoised(pair: Aligned) -> NDArray[np.float64]:
    """`pearson_delta_pert` / √(1 − mean_g allowance_g / var_g(pred − m)), as `pearson_delta_denoised`."""
    if pair.train_mean is None:
        return np.full(len(pair.true), np.nan)
    return _denoised(pearson_delta_pert(pair), pair.pred_against_mean, pair)


def _denoised(r: NDArray[np.float64], profile: Profile, pair: Aligned) -> NDArray[np.float64]:
    if pair.allowance is None:
        return r
    spread = profile.variance
    noise = mean_over_genes(pair.allowance, pair.counted)
    share = np.divide(noise, spread, out=np.zeros(len(r)), where=spread > 0)
    return np.asarray(np.clip(r / np.sqrt(np.maximum(1.0 - share, _LEAST_RELIABLE)), -1.0, 1.0), dtype=np.float64)


def pearson_delta_ceiling(pair: Aligned) -> NDArray[np.float64]:
    """sign(u) √(1 − e^−|u|), u = ln(var_g(true) / mean_g noise_g) + 0.82 / ν: the correlation that a perfect prediction reaches.

    For a clear effect this is √(1 − noise / variance), the root of the reliability. Below it the root keeps its sign and is odd in u, and
    0.82 / ν, with ν = (Σ noise)² / Σ noise² the degrees of freedom of the variance, centers u where there is no effect, so that
    the mean over such perturbations is 0. Genes that vary together leave fewer degrees than ν, which makes it a little too low. A
    perfect prediction knows the error of the shared controls, as every training row shows it; so with few controls even perturbations
    without effect leave a ceiling above 0, which the training mean reaches too. NaN where noise is unknown.
    """
    return _reachable(pair.true_profile, pair.noise)


def pearson_delta_pert_ceiling(pair: Aligned) -> NDArray[np.float64]:
    """`pearson_delta_ceiling` of true − m, m the mean Δ of the training perturbations, whose own sampling noise is noise here too.

    That noise is on both sides of `pearson_delta_pert` for a prediction that does not carry it, such as no change, and lets it reach a
    little more than this; that is no knowledge of a perturbation, so the ceiling leaves it out. NaN where either is unknown.
    """
    if pair.train_mean is None or pair.noise is None:
        return np.full(len(pair.true), np.nan)
    noise = pair.noise if pair.reference_noise is None else pair.noise + pair.reference_noise
    return _reachable(pair.true_against_mean, noise)


def _reachable(profile: Profile, noise: NDArray[np.float64] | None) -> NDArray[np.float64]:
    counted = profile.counted
    if noise is None:
        return np.full(len(counted), np.nan)
    n = np.maximum(counted.sum(axis=1), 2)
    spread = profile.variance * n / (n - 1)
    level = mean_over_genes(noise, counted)
    squares = (noise**2 * counted).sum(axis=1)
    out = np.where(spread > 0, np.where(level > 0, 0.0, 1.0), np.nan)
    known = (spread > 0) & (level > 0)
    degrees = (level[known] * n[known]) ** 2 / squares[known]
    u = np.log(spread[known] / level[known]) + _CENTER / degrees
    out[known] = np.sign(u) * np.sqrt(-np.expm1(-np.abs(u)))
    return np.asarray(out, dtype=np.float64)
