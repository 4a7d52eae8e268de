"""Left-out errors of a ridge over penalties, for targets in parts that each have a penalty of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import LooRidge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ._design import Design

__all__ = ["Task", "Trial", "choose_shares", "left_out", "try_kernel"]

# Penalties tried at first: every fourth.
_STRIDE = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """Rows to learn from.

    Parameters
    ----------
    design
        Perturbations.
    parts
        Targets of each part, whatever keeps their inner products `(n_rows, n_columns of the part)`.
    weights
        Of the rows, mean 1 `(n_rows,)`.
    alphas
        To try, in units of the mean eigenvalue.
    """

    design: Design
    parts: tuple[NDArray[np.float64], ...]
    weights: NDArray[np.float64]
    alphas: tuple[float, ...]

    def ridge(self, kernel: NDArray[np.float64]) -> LooRidge:
        """Decompose a kernel between rows; beside the targets stands the identity, whose fit is the weight of each row in each other's."""
        n = len(self.weights)
        targets = np.concatenate([*self.parts, np.eye(n)], axis=1)
        return LooRidge.from_kernel(kernel, targets, weights=self.weights, multiplier=self.design.n_genes_each)


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """A kernel at the best penalty of each part.

    Parameters
    ----------
    kernel
        Between rows.
    alphas
        Of each part, in units of the mean eigenvalue.
    errors
        w_i ‖e_i‖² of each part and row, left out with every row of its genes `(n_parts, n_rows)`.
    baseline
        The same of the mean alone `(n_parts, n_rows)`.
    """

    kernel: NDArray[np.float64]
    alphas: tuple[float, ...]
    errors: NDArray[np.float64]
    baseline: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Sum over parts of the mean over rows."""
        return float(self.errors.mean(axis=1).sum())

    def certainty(self, part: int) -> float:
        """max(0, 1 − SE² / gain²): how surely left-out rows agree that this part is better than the mean; at one standard error nothing."""
        gain = self.baseline[part] - self.errors[part]
        mean = float(gain.mean())
        return max(0.0, 1.0 - float(gain.var(ddof=1)) / (len(gain) * mean**2)) if mean > 0 else 0.0


def unit_of(ridge: LooRidge) -> float:
    """Mean eigenvalue over rows, so that α = 1 means as much signal as noise."""
    return float(ridge.spectrum.sum()) / len(ridge.root_weights) or 1.0


def left_out(task: Task, ridge: LooRidge, penalty: float, *, columns: slice = slice(None)) -> NDArray[np.float64]:
    """Residuals of each row, targets and identity, when it and every row that shares a gene with it are left out `(n_rows, n_columns)`.

    A row whose relatives are all rows there are has nothing to be predicted from, and counts as predicted by 0.
    """
    design, n = task.design, len(task.weights)
    if design.is_plain:
        return ridge.loo_residuals(penalty, columns=columns)
    residuals = ridge.residuals(penalty)
    own = residuals[:, -n:]
    targets = np.concatenate([*task.parts, np.eye(n)], axis=1)
    out = np.empty_like(residuals)
    for i, rows in enumerate(design.relatives):
        if len(rows) == n:
            out[i] = targets[i]
        else:
            # e_R = (I − S_RR)⁻¹ (y − S y)_R for the smoother S.
            share = np.linalg.solve(own[np.ix_(rows, rows)].T, (rows == i).astype(np.float64))
            out[i] = share @ residuals[rows]
    return np.asarray(out[:, columns])


def _errors(task: Task, ridge: LooRidge, penalty: float) -> NDArray[np.float64]:
    ends = np.cumsum([part.shape[1] for part in task.parts])
    squared = left_out(task, ridge, penalty, columns=slice(0, int(ends[-1]))) ** 2
    return np.stack([block.sum(axis=1) for block in np.split(squared, ends[:-1], axis=1)]) * task.weights


def try_kernel(task: Task, kernel: NDArray[np.float64]) -> Trial:
    """Find for each part the penalty with the lowest left-out error, every fourth one first, then downhill."""
    ridge = task.ridge(kernel)
    unit, last = unit_of(ridge), len(task.alphas) - 1
    known: dict[int, NDArray[np.float64]] = {}

    def errors(i: int) -> NDArray[np.float64]:
        if i not in known:
            known[i] = _errors(task, ridge, task.alphas[i] * unit)
        return known[i]

    best, chosen = [], []
    for part in range(len(task.parts)):
        at = min(range(0, last + 1, _STRIDE), key=lambda i, part=part: errors(i)[part].mean())  # type: ignore[misc]
        while True:
            near = (at, max(at - 1, 0), min(at + 1, last))
            lowest = min(near, key=lambda i, part=part: errors(i)[part].mean())  # type: ignore[misc]
            if lowest == at:
                break
            at = lowest
        chosen.append(task.alphas[at])
        best.append(errors(at)[part])
    return Trial(
        kernel=kernel, alphas=tuple(chosen), errors=np.stack(best), baseline=_errors(task, ridge, float("inf"))
    )


def choose_shares(task: Task, alone: Sequence[Trial], shares: Sequence[float]) -> tuple[tuple[float, ...], Trial]:
    """Weigh sources: the best one first, then every other takes a share of the sum if that lowers the left-out error.

    Parameters
    ----------
    task
        Rows.
    alone
        Each source on its own.
    shares
        To try for each that joins.
    """
    order = sorted(range(len(alone)), key=lambda s: alone[s].error)
    best, weights = alone[order[0]], np.eye(len(alone))[order[0]]
    for source in order[1:]:
        trials = [try_kernel(task, (1 - share) * best.kernel + share * alone[source].kernel) for share in shares]
        grown, share = min(zip(trials, shares, strict=True), key=lambda pair: pair[0].error, default=(best, 0.0))
        if grown.error < best.error:
            best, weights = grown, (1 - share) * weights + share * np.eye(len(alone))[source]
    return tuple(float(w) for w in weights), best
