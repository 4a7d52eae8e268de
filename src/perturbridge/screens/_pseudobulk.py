"""Effects of a screen: one streaming pass, then arithmetic on the sums."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Literal

import numpy as np

from perturbridge.errors import DataError
from perturbridge.values import ContextTable, Effects, Finding

from ._accumulate import accumulate, cell_name
from ._fixed_point import SQUARE_SCALE, SUM_SCALE, Accumulator
from ._grouping import Grouping, group_cells, too_few

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from perturbridge.values import PerturbationName, Screen

__all__ = ["finish", "pseudobulk"]

ROWS_PER_BLOCK = 256
STANDARD_TARGET_SUM = 1e4


def pseudobulk(
    screen: Screen,
    *,
    min_cells: int = 2,
    on_few: Literal["raise", "drop"] = "raise",
    chunk_rows: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Effects:
    """Δ_p = S_p/n_p − Σ_b (n_pb/n_p) · C_b/m_b, from one pass over the cells of a screen.

    S_p and C_b are sums of x over the n_p cells of perturbation p and the m_b control cells of context b; n_pb of the n_p cells
    lie in context b. x = log1p(count · target_sum / total of the cell), or the value itself where the screen holds log1p values.

    Sums are kept as integers, so delta, mean, variance and fingerprint are the same to the last bit for every `chunk_rows`.
    Memory: 20 bytes per gene for each perturbation and context, plus one chunk of cells; the file may be larger than memory.

    Left out, counted in `findings`: cells without a label or a context, perturbed cells in contexts without controls, and cells
    without a single count, which have no profile (log1p values are taken as they are). A perturbation of one cell
    (`min_cells=1`) has no variance of its own and takes the pooled within-group variance, with a finding.

    Parameters
    ----------
    screen
        Read from a file, or simulated.
    min_cells
        Fewest cells of a perturbation.
    on_few
        What to do with a perturbation that has fewer: `"raise"`, or `"drop"` it with a finding.
    chunk_rows
        Cells read at a time; default: about 16 million stored values.
    progress
        Called with cells read and cells in all.

    Returns
    -------
    Effects
        delta, variance `(n_perturbations, n_genes)` in log1p-CP10k (for the default target sum), detection counts, the table of
        contexts, and the SHA-256 of the integer sums as `fingerprint`.

    Raises
    ------
    DataError
        If there is no control cell, no perturbed cell, a perturbation with too few cells, or a broken value.
    """
    grouping = group_cells(screen, min_cells=min_cells, on_few=on_few)
    total = accumulate(screen, grouping, chunk_rows=chunk_rows, progress=progress)
    return finish(screen, grouping, total, min_cells=min_cells, on_few=on_few)


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
    n_cells = total.n_perturbed.sum(axis=1)
    keep, few = too_few(n_cells, grouping.perturbations, min_cells=min_cells, on_few=on_few)
    findings = (
        *grouping.findings,
        *_unit_findings(screen),
        *_cell_findings(screen, total),
        *_gene_findings(screen, total),
        *few,
    )
    if not keep.all():
        total, grouping, n_cells = _drop(total, grouping, keep), _without(grouping, keep), n_cells[keep]
    fingerprint = _fingerprint(screen, grouping, total)
    n_perturbations = len(grouping.perturbations)
    n_all = np.concatenate([n_cells, total.n_control])
    mean, variance, borrowed = _moments(total, n_all)
    control_mean, control_variance = mean[n_perturbations:].copy(), variance[n_perturbations:].copy()
    table = ContextTable(
        names=grouping.contexts,
        n_perturbed=total.n_perturbed,
        n_control=total.n_control,
        control_mean=control_mean,
        control_variance=control_variance,
    )
    delta = mean[:n_perturbations]
    for block in _blocks(n_perturbations):
        delta[block] -= table.weights[block] @ control_mean
    return Effects(
        perturbations=grouping.perturbations,
        genes=screen.genes,
        delta=delta,
        n_cells=n_cells,
        control_mean=(total.n_control / total.n_control.sum()) @ control_mean,
        variance=variance[:n_perturbations] if borrowed is not None else None,
        detected=total.detected[:n_perturbations].astype(np.int64),
        contexts=table,
        fingerprint=fingerprint,
        findings=(*findings, *(borrowed or ())),
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
        count = n[block, None]
        first = total.sums[block] / SUM_SCALE
        spread = total.squares[block] / SQUARE_SCALE - first**2 / count
        np.maximum(spread, 0.0, out=spread)
        pooled += spread.sum(axis=0)
        mean[block] = first / count
        variance[block] = spread / np.maximum(count - 1, 1)
    degrees = int((n - 1).sum())
    single = np.flatnonzero(n == 1)
    if degrees == 0:
        return mean, variance, None
    if not len(single):
        return mean, variance, ()
    variance[single] = pooled / degrees
    message = f"{len(single)} perturbations or control contexts have one cell; their variance is the pooled within-group variance."
    return mean, variance, (Finding(level="warning", code="borrowed_variance", message=message, count=len(single)),)


def _unit_findings(screen: Screen) -> tuple[Finding, ...]:
    target_sum = screen.normalization.target_sum
    if screen.normalization.kind == "log1p" or target_sum == STANDARD_TARGET_SUM:
        return ()
    message = f"Counts were scaled to {target_sum:,.0f} per cell, so delta is in log1p of counts per {target_sum:,.0f}."
    return (Finding(level="info", code="target_sum", message=message),)


def _cell_findings(screen: Screen, total: Accumulator) -> tuple[Finding, ...]:
    found = (
        (
            "non_integral_counts",
            total.fractional,
            "cells have counts that are not whole numbers; they are used as they are",
        ),
        ("empty_cells", total.empty, "cells have no count at all, so no profile; they are left out of every mean"),
    )
    return tuple(
        Finding(
            level="warning",
            code=code,
            message=f"{tally.count} {what}.",
            count=tally.count,
            example=cell_name(screen, tally.first),
        )
        for code, tally, what in found
        if tally.count
    )


def _gene_findings(screen: Screen, total: Accumulator) -> tuple[Finding, ...]:
    silent = np.flatnonzero(~total.detected.any(axis=0))
    if not len(silent):
        return ()
    message = f"{len(silent)} of {screen.n_genes} genes are zero in every cell; their delta is 0."
    return (
        Finding(
            level="warning",
            code="empty_genes",
            message=message,
            count=len(silent),
            example=screen.genes[int(silent[0])],
        ),
    )


def _drop(total: Accumulator, grouping: Grouping, keep: NDArray[np.bool_]) -> Accumulator:
    groups = np.concatenate([keep, np.ones(len(grouping.contexts), dtype=bool)])
    return Accumulator(
        sums=total.sums[groups],
        squares=total.squares[groups],
        detected=total.detected[groups],
        n_perturbed=total.n_perturbed[keep],
        n_control=total.n_control,
        spans=total.spans,
    )


def _without(grouping: Grouping, keep: NDArray[np.bool_]) -> Grouping:
    """Return the grouping of the perturbations that are left, for their names; its cells are summed already."""
    names: tuple[PerturbationName, ...] = tuple(
        name for name, kept in zip(grouping.perturbations, keep, strict=True) if kept
    )
    return Grouping(
        perturbations=names,
        contexts=grouping.contexts,
        groups=grouping.groups,
        context_codes=grouping.context_codes,
        findings=grouping.findings,
    )


def _fingerprint(screen: Screen, grouping: Grouping, total: Accumulator) -> str:
    head = {
        "perturbations": [name.genes for name in grouping.perturbations],
        "genes": screen.genes,
        "contexts": grouping.contexts,
        "kind": screen.normalization.kind,
        "target_sum": screen.normalization.target_sum if screen.normalization.kind == "counts" else None,
    }
    digest = hashlib.sha256(json.dumps(head, separators=(",", ":")).encode())
    for table in (total.n_perturbed, total.n_control, total.sums):
        digest.update(np.ascontiguousarray(table, dtype="<i8").data)
    return digest.hexdigest()
