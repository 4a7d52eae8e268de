"""The effect of a perturbation on the very gene it targets, which no similarity to other genes can tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._intervals import Radii

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from perturbridge.values import Effects, PerturbationName

__all__ = ["MODALITIES", "TargetGene", "fit_target_gene", "hide_targets"]

MODALITIES = ("auto", "crispri", "crispra", "ko")
_LOG2_FOLDS = np.arange(-8.0, 8.0 + 1e-9, 0.05)
_FEWEST = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class TargetGene:
    """Δ_own = log1p(ρ m) − log1p(m), m = expm1(control mean); or Δ_own = c where the controls are not known.

    Parameters
    ----------
    kind
        `"fold"`, `"shift"`, or `"none"` where the embeddings predict left-out targets as well.
    value
        ρ (share of the expression that is left, or its increase) or c.
    control
        Control mean of each measured gene, log1p-CP10k `(n_genes,)`.
    measured
        Column of a measured gene ▸ its own change where it was perturbed alone.
    radii
        Half-widths of the interval, for one column.
    n_targets
        Perturbed genes that were measured.
    """

    kind: str
    value: float
    control: NDArray[np.float64]
    measured: Mapping[int, float]
    radii: Radii
    n_targets: int

    def of(self, column: int, *, is_single: bool) -> float | None:
        """Return the change of the targeted gene in this column: as measured in its single for combinations, else predicted; None if not modelled."""
        if self.kind == "none":
            return None
        if not is_single and column in self.measured:
            return self.measured[column]
        return self.value if self.kind == "shift" else float(_folded(self.control[column], np.log2(self.value)))


def _folded(control: NDArray[np.float64] | float, log2_fold: NDArray[np.float64] | float) -> NDArray[np.float64]:
    linear = np.expm1(control)
    return np.asarray(np.log1p(2.0**log2_fold * linear) - np.log1p(linear))


def _own(effects: Effects) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns where a perturbation meets a gene it targets."""
    column = {gene: j for j, gene in enumerate(effects.genes)}
    found = [(i, column[gene]) for i, name in enumerate(effects.perturbations) for gene in name.genes if gene in column]
    rows, columns = (np.array(part, dtype=np.int64) for part in (zip(*found, strict=True) if found else ((), ())))
    return rows, columns


def hide_targets(effects: Effects) -> NDArray[np.float64]:
    """Δ with the entries of targeted genes replaced by the mean of the rows that do not target them `(n_perturbations, n_genes)`.

    A knock-down of −2 on the target says nothing about the same gene under another perturbation, and would be learnt as if it did.
    """
    rows, columns = _own(effects)
    out = np.array(effects.delta, dtype=np.float64)
    for column in np.unique(columns):
        targeted = rows[columns == column]
        others = np.setdiff1d(np.arange(len(out)), targeted)
        if len(others):
            out[targeted, column] = out[others, column].mean()
    return out


def fit_target_gene(effects: Effects, left_out: NDArray[np.float64], *, modality: str | None) -> TargetGene:
    """Fit one number to all targets by least absolute error, if left-out targets agree.

    Parameters
    ----------
    effects
        Training rows.
    left_out
        Predictions of left-out rows by the embeddings `(n_perturbations, n_genes)`.
    modality
        `"crispri"`: ρ ≤ 1. `"crispra"`: ρ ≥ 1. `"ko"`, `"auto"`: any; a cut gene may still be transcribed. None: no model.
    """
    rows, columns = _own(effects)
    truth = effects.delta[rows, columns]
    knows_controls = bool((effects.control_mean > 0).any())
    nothing = TargetGene(
        kind="none",
        value=1.0,
        control=effects.control_mean,
        measured={},
        radii=Radii.of(np.zeros((0, 1))),
        n_targets=len(rows),
    )
    if len(rows) < _FEWEST or modality is None:
        return nothing
    if knows_controls:
        grid = _LOG2_FOLDS
        grid = grid[grid <= 1e-9] if modality == "crispri" else grid[grid >= -1e-9] if modality == "crispra" else grid
        errors = np.abs(truth[:, None] - _folded(effects.control_mean[columns][:, None], grid[None, :]))
        residuals = truth - _folded(effects.control_mean[columns], grid[np.argmin(errors.sum(axis=0) - errors, axis=1)])
        kind, value = "fold", float(2.0 ** grid[int(np.argmin(errors.sum(axis=0)))])
    else:
        residuals = truth - np.array([np.median(np.delete(truth, i)) for i in range(len(truth))])
        kind, value = "shift", float(np.median(truth))
    gain = np.abs(truth - left_out[rows, columns]) - np.abs(residuals)
    if not gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)):
        return nothing
    alone = {
        int(c): float(t) for i, c, t in zip(rows, columns, truth, strict=True) if effects.perturbations[i].is_single
    }
    return TargetGene(
        kind=kind,
        value=value,
        control=effects.control_mean,
        measured=alone,
        radii=Radii.of(residuals[:, None]),
        n_targets=len(rows),
    )


def columns_of(name: PerturbationName, column: Mapping[str, int]) -> list[int]:
    """Columns of the measured genes that a perturbation targets."""
    return [column[gene] for gene in name.genes if gene in column]
