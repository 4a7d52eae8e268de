"""What is in a screen, in plain types: from its labels and the head of its file, without reading the values."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.values import CONTROL_CODE, UNASSIGNED_CODE, Finding

from ._confounding import cells_by_context, confounding, confounding_finding
from .files._source_csc import CscSource

if TYPE_CHECKING:
    from perturbridge.values import Labels, Screen

__all__ = ["control_kinds_of", "describe_screen"]

_FEW = (2, 10, 30)
_SMALLEST = 2


def describe_screen(screen: Screen) -> dict[str, Any]:
    """Return what `perturbridge inspect` prints.

    Parameters
    ----------
    screen
        From `read_screen` or `simulate`.

    Returns
    -------
    dict
        Plain JSON types: numbers of cells, genes and perturbations; kinds of controls, the baseline's and others; cells per perturbation and the smallest; controls per context and
        the confounding of perturbation and context; what the values are and where; whether the targets are measured; `explanation` and `findings`; `next`, the command to type next.
    """
    codes = screen.perturbation_codes
    n_cells = np.bincount(codes[codes >= 0], minlength=len(screen.perturbations))
    other = screen.other_controls
    unassigned = (codes == UNASSIGNED_CODE) & (other.codes < 0 if other is not None else True)
    told = confounding(screen)
    findings = (
        *screen.findings,
        *_size_findings(screen, n_cells),
        *_context_findings(screen),
        *confounding_finding(told),
    )
    return {
        "source": screen.source.description,
        "bytes_on_disk": _bytes_on_disk(screen.source.path),
        "layout": _layout(screen),
        "values": _values(screen),
        "n_cells": screen.n_cells,
        "n_genes": screen.n_genes,
        "n_perturbations": len(screen.perturbations),
        "n_single_genes": sum(name.is_single for name in screen.perturbations),
        "n_combinations": sum(not name.is_single for name in screen.perturbations),
        "n_control_cells": int(np.count_nonzero(codes == CONTROL_CODE)),
        "n_unassigned_cells": int(np.count_nonzero(unassigned)),
        "perturbation_column": screen.perturbation_column,
        "control_labels": list(screen.control_labels),
        "n_other_control_cells": 0 if other is None else int(np.count_nonzero(other.codes >= 0)),
        "control_kinds": control_kinds_of(screen),
        "cells_per_perturbation": _spread(n_cells),
        "smallest_perturbations": _smallest(screen, n_cells),
        "context": _grouping(screen.context),
        "controls_per_context": _controls_per_context(screen),
        "confounding": told,
        "sample": _grouping(screen.sample),
        "state": _grouping(screen.state),
        "targets": _targets(screen),
        "explanation": list(screen.explanation),
        "findings": [finding.as_json() for finding in findings],
        "next": _next(screen, n_small=int(np.count_nonzero(n_cells < _SMALLEST))),
    }


def control_kinds_of(screen: Screen) -> list[dict[str, Any]]:
    """Return for each kind of controls its cells, the contexts that hold any, and whether it is the baseline or kept apart."""
    rows = []
    for role, labels in (("baseline", screen.control_kinds), ("apart", screen.other_controls)):
        for i, kind in enumerate(labels.categories if labels else ()):
            cells = labels.codes == i if labels else np.zeros(0, dtype=bool)
            if role == "baseline":
                cells = cells & (screen.perturbation_codes == CONTROL_CODE)
            there = np.unique(screen.context.codes[cells]) if screen.context else np.zeros(1, dtype=int)
            rows.append(
                {
                    "kind": kind,
                    "role": role,
                    "n_cells": int(np.count_nonzero(cells)),
                    "n_contexts": int(np.count_nonzero(there >= 0)),
                }
            )
    return rows


def _bytes_on_disk(path: str | None) -> int | None:
    if path is None or not Path(path).exists():
        return None
    there = Path(path)
    files = [file for file in there.rglob("*") if file.is_file()] if there.is_dir() else [there]
    return sum(file.stat().st_size for file in files)


def _layout(screen: Screen) -> str:
    if isinstance(screen.source, CscSource):
        return "sparse, by gene (CSC)"
    ends = screen.source.row_ends()
    if ends is None:
        return "dense"
    stored = int(ends[-1]) if len(ends) else 0
    return f"sparse, by cell (CSR), {stored:,} values, {100 * stored / max(screen.n_cells * screen.n_genes, 1):.1f} % of all"


def _values(screen: Screen) -> dict[str, Any]:
    said = screen.normalization
    return {"kind": said.kind, "place": said.place, "target_sum": said.target_sum, "evidence": said.evidence}


def _spread(n_cells: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, float | int]:
    if not len(n_cells):
        return {}
    spread: dict[str, float | int] = {
        "min": int(n_cells.min()),
        "median": float(np.median(n_cells)),
        "max": int(n_cells.max()),
    }
    return spread | {f"below_{few}": int(np.count_nonzero(n_cells < few)) for few in _FEW}


def _smallest(screen: Screen, n_cells: np.ndarray[Any, np.dtype[np.int64]], *, n: int = 5) -> dict[str, int]:
    order = np.argsort(n_cells, kind="stable")[:n].tolist()
    return {str(screen.perturbations[i]): int(n_cells[i]) for i in order}


def _grouping(labels: Labels | None) -> dict[str, Any] | None:
    if labels is None:
        return None
    counts = np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.categories))
    return {
        "column": labels.column,
        "n_levels": len(labels.categories),
        "n_without": int(np.count_nonzero(labels.codes < 0)),
        "n_cells": dict(zip(labels.categories, counts.tolist(), strict=True)),
    }


def _controls_per_context(screen: Screen) -> dict[str, int]:
    if screen.context is None:
        return {}
    here = screen.context.codes[(screen.perturbation_codes == CONTROL_CODE) & (screen.context.codes >= 0)]
    counts = np.bincount(here, minlength=len(screen.context.categories))
    return dict(zip(screen.context.categories, counts.tolist(), strict=True))


def _targets(screen: Screen) -> dict[str, Any]:
    targets = sorted({gene for name in screen.perturbations for gene in name.genes})
    measured = frozenset(screen.genes)
    missing = [gene for gene in targets if gene not in measured]
    return {"n_targets": len(targets), "n_measured": len(targets) - len(missing), "not_measured": missing}


def _size_findings(screen: Screen, n_cells: np.ndarray[Any, np.dtype[np.int64]]) -> list[Finding]:
    small = np.flatnonzero(n_cells < _SMALLEST)
    if not len(small):
        return []
    message = (
        f"{len(small)} perturbations have a single cell, so no variance; drop them with on_few='drop' (--drop-small)."
    )
    example = str(screen.perturbations[int(small[0])])
    return [Finding(level="warning", code="single_cells", message=message, count=len(small), example=example)]


def _context_findings(screen: Screen) -> list[Finding]:
    """Cells without a context, contexts without controls, perturbations that are in few of the contexts."""
    labels, codes = screen.context, screen.perturbation_codes
    if labels is None:
        return []
    found = []
    other = screen.other_controls
    named = (codes != UNASSIGNED_CODE) | (other.codes >= 0 if other is not None else False)
    blank = int(np.count_nonzero((labels.codes < 0) & named))
    if blank:
        message = f"{blank:,} cells have no label in {labels.column!r} and will be left out."
        found.append(Finding(level="warning", code="missing_context", message=message, count=blank))
    n = len(labels.categories)
    here = labels.codes >= 0
    controls = np.bincount(labels.codes[here & (codes == CONTROL_CODE)], minlength=n)
    perturbed = np.bincount(labels.codes[here & (codes >= 0)], minlength=n)
    bare = np.flatnonzero((controls == 0) & (perturbed > 0))
    if len(bare):
        message = f"{len(bare)} of {n} contexts have no control for their {int(perturbed[bare].sum()):,} perturbed cells, which will be left out."
        example = labels.categories[int(bare[0])]
        found.append(
            Finding(level="warning", code="unmatched_context", message=message, count=len(bare), example=example)
        )
    table = cells_by_context(screen) > 0
    partial = np.flatnonzero(~table.all(axis=1))
    if len(partial):
        message = f"{len(partial)} of {len(table)} perturbations are absent from at least one of {n} contexts."
        example = str(screen.perturbations[int(partial[0])])
        found.append(
            Finding(level="info", code="absent_from_contexts", message=message, count=len(partial), example=example)
        )
    return found


def _next(screen: Screen, *, n_small: int) -> str:
    path = screen.source.path
    if path is None:
        return "perturbridge.pseudobulk(screen)"
    words = ["perturbridge", "run", path]
    if screen.preset == "explicit" and screen.perturbation_column:
        words += ["--perturbation", screen.perturbation_column]
        words += [word for label in screen.control_labels for word in ("--control", label)]
        words += ["--context", screen.context.column if screen.context else "none"]
    elif screen.preset not in ("explicit", "detected"):
        words += ["--preset", screen.preset]
    words += ["--drop-small"] if n_small else []
    name = Path(path).name.split(".")[0] or "screen"
    return shlex.join([*words, "-o", f"runs/{name}"])
