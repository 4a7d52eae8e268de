"""Which sum each cell goes into, decided from the labels alone, before a value is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from perturbridge._checks import freeze, one_of
from perturbridge.errors import DataError
from perturbridge.values import CONTROL_CODE, UNASSIGNED_CODE, Finding, Labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import PerturbationName, Screen

__all__ = ["Grouping", "group_cells", "too_few"]

LEFT_OUT = -1
NO_CONTEXT = "all cells"


@dataclass(frozen=True, eq=False, kw_only=True)
class Grouping:
    """One sum for each perturbation, for each kind of controls that is not the baseline, and for the baseline of each context.

    Parameters
    ----------
    perturbations
        Those that are summed `(n_perturbations,)`.
    contexts
        Those that hold control cells `(n_contexts,)`.
    groups
        For each cell `(n_cells,)` its sum: a perturbation, then the kinds, then the contexts of the baseline; or -1.
    context_codes
        For each cell `(n_cells,)` its context; only meaningful where `groups` is not -1.
    findings
        Which cells and perturbations are left out, and why.
    kinds
        Kinds of controls that are not the baseline `(n_kinds,)`.
    """

    perturbations: tuple[PerturbationName, ...]
    contexts: tuple[str, ...]
    groups: NDArray[np.int32]
    context_codes: NDArray[np.int32]
    findings: tuple[Finding, ...]
    kinds: tuple[str, ...] = ()

    def without_cells(self) -> Grouping:
        """Return the names of the sums alone, once every cell is in one."""
        none = np.empty(0, dtype=np.int32)
        return replace(self, groups=none, context_codes=none)

    @property
    def n_rows(self) -> int:
        """Number of sums that are compared with the baseline."""
        return len(self.perturbations) + len(self.kinds)

    @property
    def n_groups(self) -> int:
        """Number of sums."""
        return self.n_rows + len(self.contexts)

    @property
    def largest(self) -> int:
        """Cells of the largest group."""
        kept = self.groups[self.groups >= 0]
        return int(np.bincount(kept).max()) if len(kept) else 0


def group_cells(screen: Screen, *, min_cells: int, on_few: Literal["raise", "drop"]) -> Grouping:
    """Assign every cell to the sum of its perturbation, of its kind of controls, or of the baseline of its context.

    Left out, each with a finding: cells without a perturbation label, cells without a context, and perturbed cells and other controls of
    contexts that hold no control cell of the baseline.

    Raises
    ------
    DataError
        If there is no control cell, no perturbation, or (`on_few="raise"`) a perturbation with fewer than `min_cells` cells.
    """
    one_of("on_few", on_few, ("raise", "drop"))
    if min_cells < 1:
        problem = f"min_cells is {min_cells}."
        raise DataError(problem, cure="Ask for at least one cell per perturbation.")
    codes = screen.perturbation_codes
    context = _contexts(screen)
    with_context = context.codes >= 0
    control = (codes == CONTROL_CODE) & with_context
    _check_has_both(screen, control)
    has_control = np.bincount(context.codes[control], minlength=len(context.categories)) > 0
    beside = with_context & has_control[context.codes]
    matched = (codes >= 0) & beside
    other, kinds = _others(screen, beside)
    findings = _left_out(screen, context, with_context=with_context, matched=matched)
    n_cells = np.bincount(codes[matched], minlength=len(screen.perturbations))
    keep, finding = too_few(n_cells, screen.perturbations, min_cells=min_cells, on_few=on_few)
    new_code = np.where(keep, np.cumsum(keep) - 1, LEFT_OUT).astype(np.int32)
    new_context = (np.cumsum(has_control) - 1).astype(np.int32)
    context_codes = new_context[context.codes]
    groups = np.full(screen.n_cells, LEFT_OUT, dtype=np.int32)
    groups[matched] = new_code[codes[matched]]
    groups[other >= 0] = int(keep.sum()) + other[other >= 0]
    groups[control] = int(keep.sum()) + len(kinds) + context_codes[control]
    return Grouping(
        perturbations=tuple(name for name, kept in zip(screen.perturbations, keep, strict=True) if kept),
        contexts=tuple(name for name, kept in zip(context.categories, has_control, strict=True) if kept),
        groups=freeze(groups),
        context_codes=freeze(context_codes),
        findings=(*findings, *finding),
        kinds=kinds,
    )


def _others(screen: Screen, beside: NDArray[np.bool_]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Kind of each control cell that is not the baseline, -1 for others, and the kinds that any cell is left of."""
    labels = screen.other_controls
    if labels is None:
        return np.full(screen.n_cells, LEFT_OUT, dtype=np.int32), ()
    codes = np.where(beside, labels.codes, np.int32(LEFT_OUT))
    used = np.unique(codes[codes >= 0])
    table = np.full(len(labels.categories) + 1, LEFT_OUT, dtype=np.int32)
    table[used] = np.arange(len(used))
    return table[codes], tuple(labels.categories[i] for i in used.tolist())


def too_few(
    n_cells: NDArray[np.integer],
    perturbations: tuple[PerturbationName, ...],
    *,
    min_cells: int,
    on_few: Literal["raise", "drop"],
) -> tuple[NDArray[np.bool_], tuple[Finding, ...]]:
    """Say which perturbations have enough cells, with a finding about the others.

    Raises
    ------
    DataError
        If some have too few and `on_few` is `"raise"`, or none is left.
    """
    keep = np.asarray(n_cells >= min_cells)
    if keep.all():
        return keep, ()
    first = int(np.flatnonzero(~keep)[0])
    n_few = int((~keep).sum())
    problem = (
        f"{n_few} of {len(keep)} perturbations have fewer than {min_cells} usable cells, "
        f"the first is {perturbations[first]} with {int(n_cells[first])}."
    )
    cure = "Lower min_cells (--min-cells 1), or leave them out with on_few='drop' (--drop-small)."
    if on_few == "raise" or not keep.any():
        raise DataError(problem, cure=cure)
    message = f"{problem} They are left out."
    finding = Finding(
        level="warning", code="few_cells", message=message, count=n_few, example=str(perturbations[first])
    )
    return keep, (finding,)


def _contexts(screen: Screen) -> Labels:
    if screen.context is not None:
        return screen.context
    return Labels(NO_CONTEXT, (NO_CONTEXT,), np.zeros(screen.n_cells, dtype=np.int32))


def _check_has_both(screen: Screen, control: NDArray[np.bool_]) -> None:
    perturbed = int((screen.perturbation_codes >= 0).sum())
    if not control.any():
        anywhere = int((screen.perturbation_codes == CONTROL_CODE).sum())
        detail = f"{anywhere} control cells, none of them with a context" if anywhere else "no control cell"
        problem = f"The screen has {detail}, among {screen.n_cells} cells ({perturbed} perturbed)."
        raise DataError(
            problem, cure="Name the label of the control cells with control=...; Δ is a difference from them."
        )
    if not perturbed:
        problem = f"The screen has {int(control.sum())} control cells and no perturbed cell."
        raise DataError(problem, cure="Check the perturbation column and the control label.")


def _left_out(
    screen: Screen, context: Labels, *, with_context: NDArray[np.bool_], matched: NDArray[np.bool_]
) -> tuple[Finding, ...]:
    codes = screen.perturbation_codes
    other = np.zeros(len(codes), dtype=bool) if screen.other_controls is None else screen.other_controls.codes >= 0
    assigned = (codes != UNASSIGNED_CODE) | other
    alone = (codes >= 0) & with_context & ~matched
    alone_contexts = sorted({context.categories[i] for i in np.unique(context.codes[alone])})
    reasons = (
        ("unassigned_cells", ~assigned, "cells have no perturbation label", ""),
        ("missing_context", assigned & ~with_context, f"cells have no {context.column}", ""),
        (
            "unmatched_context",
            alone,
            f"perturbed cells lie in {len(alone_contexts)} contexts without a control cell",
            "".join(alone_contexts[:1]),
        ),
    )
    return tuple(
        Finding(
            level="warning",
            code=code,
            message=f"{int(mask.sum())} {what}; they are left out of every mean.",
            count=int(mask.sum()),
            example=example or f"cell {int(np.flatnonzero(mask)[0])}",
        )
        for code, mask, what, example in reasons
        if mask.any()
    )
