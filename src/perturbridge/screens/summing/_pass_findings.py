"""What the pass over the cells noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import Finding

from ._accumulate import cell_name

if TYPE_CHECKING:
    from perturbridge.values import Screen

    from ._fixed_point import Accumulator

__all__ = ["findings_of_pass"]

STANDARD_TARGET_SUM = 1e4


def findings_of_pass(screen: Screen, total: Accumulator) -> tuple[Finding, ...]:
    """Return the findings about unit, cells and genes, in that order."""
    return (*_unit_findings(screen), *_cell_findings(screen, total), *_gene_findings(screen, total))


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
            example=cell_name(screen.source, tally.first),
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
