"""From sums to effects."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from perturbridge.errors import DataError
from perturbridge.values import ContextTable, Effects, Finding

from ._fixed_point import SQUARE_SCALE, SUM_SCALE, Accumulator
from ._grouping import Grouping, too_few
from ._other_controls import other_controls, others_findings
from ._pass_findings import findings_of_pass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Screen

__all__ = ["ROWS_PER_BLOCK", "finish"]

ROWS_PER_BLOCK = 32


def finish(
    screen: Screen,
    grouping: Grouping,
    total: Accumulator,
    /,
    *,
    min_cells: int = 2,
    on_few: Literal["raise", "drop"] = "raise",
) -> Effects:
    """Turn the sums over all cells into effects; the memory of the sums becomes that of the result, so use them only once.

    Raises
    ------
    DataError
        If the sums do not cover the screen, a context lost all its controls, or a perturbation has too few cells.
    """
    _check_complete(screen, grouping, total)
    n_perturbations = len(grouping.perturbations)
    n_cells = total.n_perturbed[:n_perturbations].sum(axis=1)
    keep, few = too_few(n_cells, grouping.perturbations, min_cells=min_cells, on_few=on_few)
    findings = (*grouping.findings, *findings_of_pass(screen, total), *few)
    if not keep.all():
        total, grouping, n_cells = _drop(total, keep), _without(grouping, keep), n_cells[keep]
    fingerprint = _fingerprint(screen, grouping, total)
    n_perturbations, n_rows = len(grouping.perturbations), grouping.n_rows
    mean, variance, borrowed = _moments(total, np.concatenate([total.n_perturbed.sum(axis=1), total.n_control]))
    table = ContextTable(
        names=grouping.contexts,
        n_perturbed=total.n_perturbed[:n_perturbations],
        n_control=total.n_control,
        control_mean=mean[n_rows:].copy(),
        control_variance=variance[n_rows:].copy(),
    )
    others = other_controls(
        grouping.kinds,
        mean[n_perturbations:n_rows],
        variance[n_perturbations:n_rows],
        n=total.n_perturbed[n_perturbations:],
        table=table,
    )
    delta = mean[:n_perturbations]
    for block in _blocks(n_perturbations):
        delta[block] -= table.weights[block] @ table.control_mean
    return Effects(
        perturbations=grouping.perturbations,
        genes=screen.genes,
        delta=delta,
        n_cells=n_cells,
        control_mean=(total.n_control / total.n_control.sum()) @ table.control_mean,
        variance=variance[:n_perturbations] if borrowed is not None else None,
        detected=total.detected[:n_perturbations].astype(np.int64, copy=False),
        contexts=table,
        other_controls=others,
        fingerprint=fingerprint,
        findings=(*findings, *(borrowed or ()), *others_findings(others)),
    )


def _check_complete(screen: Screen, grouping: Grouping, total: Accumulator) -> None:
    if total.spans != ((0, screen.n_cells),):
        problem = f"The sums cover the cells {list(total.spans)} of {screen.n_cells}."
        raise DataError(problem, cure="Sum every range once and merge them all.")
    without = np.flatnonzero(total.n_control == 0)
    if len(without):
        problem = f"{len(without)} contexts have control cells, but none with a count, the first is {grouping.contexts[without[0]]!r}."
        raise DataError(
            problem,
            cure="Remove the empty cells from the file; then these contexts count as contexts without controls.",
        )


def _blocks(n_rows: int) -> list[slice]:
    return [slice(i, min(i + ROWS_PER_BLOCK, n_rows)) for i in range(0, n_rows, ROWS_PER_BLOCK)]


def _moments(
    total: Accumulator, n: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[Finding, ...] | None]:
    """Mean and unbiased variance of each group, written over the sums block by block; None where no group has two cells."""
    mean, variance = total.sums.view(np.float64), total.squares.view(np.float64)
    pooled = np.zeros(mean.shape[1])
    for block in _blocks(len(n)):
        # A kind of controls whose cells turn out to be empty is left with none.
        count = np.maximum(n[block, None], 1)
        first = total.sums[block] / SUM_SCALE
        spread = total.squares[block] / SQUARE_SCALE - first**2 / count
        np.maximum(spread, 0.0, out=spread)
        pooled += spread.sum(axis=0)
        mean[block] = first / count
        variance[block] = spread / np.maximum(count - 1, 1)
    degrees = int(np.maximum(n - 1, 0).sum())
    single = np.flatnonzero(n == 1)
    if degrees == 0:
        return mean, variance, None
    if not len(single):
        return mean, variance, ()
    variance[single] = pooled / degrees
    message = f"{len(single)} perturbations or control contexts have one cell; their variance is the pooled within-group variance."
    return mean, variance, (Finding(level="warning", code="borrowed_variance", message=message, count=len(single)),)


def _drop(total: Accumulator, keep: NDArray[np.bool_]) -> Accumulator:
    groups = np.concatenate([keep, np.ones(len(total.sums) - len(keep), dtype=bool)])
    return Accumulator(
        sums=total.sums[groups],
        squares=total.squares[groups],
        detected=total.detected[groups],
        n_perturbed=total.n_perturbed[groups[: len(total.n_perturbed)]],
        n_control=total.n_control,
        spans=total.spans,
    )


def _without(grouping: Grouping, keep: NDArray[np.bool_]) -> Grouping:
    """Return the grouping of the perturbations that are left, for their names; its cells are summed already."""
    names = tuple(name for name, kept in zip(grouping.perturbations, keep, strict=True) if kept)
    return replace(grouping, perturbations=names)


def _fingerprint(screen: Screen, grouping: Grouping, total: Accumulator) -> str:
    head = {
        "perturbations": [name.genes for name in grouping.perturbations],
        "genes": screen.genes,
        "contexts": grouping.contexts,
        "kind": screen.normalization.kind,
        "target_sum": screen.normalization.target_sum if screen.normalization.kind == "counts" else None,
        # Absent where empty, so that screens with one kind of controls keep the fingerprint they have always had.
        **({"kinds": grouping.kinds} if grouping.kinds else {}),
    }
    digest = hashlib.sha256(json.dumps(head, separators=(",", ":")).encode())
    for table in (total.n_perturbed, total.n_control, total.sums):
        digest.update(np.ascontiguousarray(table, dtype="<i8").data)
    return digest.hexdigest()
