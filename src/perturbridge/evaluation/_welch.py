"""Which genes a perturbation changed: Welch's test from means and variances, corrected over the genes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, stdtr

from perturbridge._checks import FrozenMapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from perturbridge.values import Effects, PerturbationName

__all__ = [
    "LEVEL",
    "Contrast",
    "PredictedCells",
    "adjust",
    "adjust_calls",
    "contrast_of_cells",
    "contrast_of_profile",
    "contrast_of_real",
]

LEVEL = 0.05


@dataclass(frozen=True, eq=False, kw_only=True)
class PredictedCells:
    """What predicted cells add to their mean profiles; rows and genes as in the prediction.

    Parameters
    ----------
    n_cells
        Predicted cells `(n_perturbations,)`.
    variance
        Unbiased variance over them `(n_perturbations, n_genes)`.
    contrast
        Calls on these cells by another test than Welch's, or None.
    clouds
        Real and predicted cells of each perturbation in principal components of training cells, for distributional metrics.
    """

    n_cells: NDArray[np.int64]
    variance: NDArray[np.float64]
    contrast: Contrast | None = None
    clouds: Mapping[PerturbationName, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(
        default_factory=lambda: FrozenMapping({})
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Contrast:
    """One side's differential expression against control.

    Parameters
    ----------
    change
        Δ, log1p-CP10k, `(n_perturbations, n_genes)`.
    size
        |Δ| / standard error `(n_perturbations, n_genes)`; orders the genes whose p is too small for a number.
    p
        Two-sided p-values `(n_perturbations, n_genes)`.
    significant
        Benjamini-Hochberg adjusted p below 0.05 `(n_perturbations, n_genes)`.
    """

    change: NDArray[np.float64]
    size: NDArray[np.float64]
    p: NDArray[np.float64]
    significant: NDArray[np.bool_]

    def take(self, columns: NDArray[np.int64]) -> Contrast:
        """Return the contrast over these genes, calls unchanged."""
        return Contrast(
            change=self.change[:, columns],
            size=self.size[:, columns],
            p=self.p[:, columns],
            significant=self.significant[:, columns],
        )

    def of_rows(self, rows: slice | NDArray[np.int64]) -> Contrast:
        """Return the contrast of these perturbations."""
        return Contrast(
            change=self.change[rows], size=self.size[rows], p=self.p[rows], significant=self.significant[rows]
        )


def adjust(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """min_{j ≥ i} p_(j) · n / j within each row (Benjamini and Hochberg 1995)."""
    n = p.shape[1]
    order = np.argsort(p, axis=1)
    scaled = np.take_along_axis(p, order, axis=1) * (n / np.arange(1, n + 1))
    lowest = np.minimum(np.minimum.accumulate(scaled[:, ::-1], axis=1)[:, ::-1], 1.0)
    out = np.empty_like(p)
    np.put_along_axis(out, order, lowest, axis=1)
    return out


def adjust_calls(change: NDArray[np.float64], size: NDArray[np.float64], p: NDArray[np.float64]) -> Contrast:
    """Return the contrast with its calls: adjusted p below 0.05."""
    return Contrast(change=change, size=size, p=p, significant=adjust(p) < LEVEL)


def _over(change: NDArray[np.float64], squared: NDArray[np.float64]) -> NDArray[np.float64]:
    """|change| / √squared; a gene without any spread that moved all the same did so without doubt."""
    size = np.where(change != 0, np.inf, 0.0)
    return np.divide(np.abs(change), np.sqrt(squared), out=size, where=squared > 0)


def _welch(change: NDArray[np.float64], parts: list[tuple[NDArray[np.floating], NDArray[np.floating]]]) -> Contrast:
    """Two-sided test of change / √Σ v, v the variances of independent means with d degrees each, joined after Satterthwaite."""
    squared = np.sum([v for v, _ in parts], axis=0)
    bend = np.sum([v**2 / np.maximum(d, 1) for v, d in parts], axis=0)
    degrees = np.divide(squared**2, bend, out=np.ones(squared.shape), where=bend > 0)
    size = _over(change, squared)
    return adjust_calls(change, size, np.asarray(2.0 * stdtr(degrees, -size), dtype=np.float64))


def _control_parts(effects: Effects) -> list[tuple[NDArray[np.floating], NDArray[np.floating]]]:
    """Variance of the matched control mean by context `(n_perturbations, n_genes)`, with its degrees of freedom."""
    table = effects.contexts
    if table is None:
        return []
    per_cell = table.control_variance / np.maximum(table.n_control, 1)[:, None]
    return [
        (table.weights[:, b : b + 1] ** 2 * per_cell[b], np.array(float(n - 1))) for b, n in enumerate(table.n_control)
    ]


def contrast_of_real(effects: Effects) -> Contrast | None:
    """Welch's test of each Δ against its matched controls, from moments; None where variances are unknown.

    With one context this is Welch's t-test of scipy and scanpy; with several, the matched control is a weighted mean of context means,
    each with its own variance and degrees of freedom.
    """
    if effects.variance is None or effects.contexts is None:
        return None
    own = effects.variance / effects.n_cells[:, None], (effects.n_cells - 1.0)[:, None]
    return _welch(np.asarray(effects.delta), [own, *_control_parts(effects)])


def contrast_of_cells(change: NDArray[np.float64], cells: PredictedCells, effects: Effects) -> Contrast | None:
    """Welch's test of predicted cells against the *real* matched controls; None where their variance is unknown."""
    if effects.contexts is None:
        return None
    own = cells.variance / cells.n_cells[:, None], (cells.n_cells - 1.0)[:, None]
    return _welch(change, [own, *_control_parts(effects)])


def contrast_of_profile(change: NDArray[np.float64], effects: Effects) -> Contrast | None:
    """Normal test of a predicted profile, as if it had been measured on as many cells as the real one, each as variable as a control.

    Only the controls and the number of cells are used, nothing that the perturbed cells show. None where either is unknown.
    """
    table = effects.contexts
    if table is None:
        return None
    spread = table.weights @ table.control_variance
    squared = spread / effects.n_cells[:, None] + np.sum([v for v, _ in _control_parts(effects)], axis=0)
    size = _over(change, squared)
    return adjust_calls(change, size, 2.0 * ndtr(-size))
