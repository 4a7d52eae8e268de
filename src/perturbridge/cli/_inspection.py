"""The page that `perturbridge inspect` prints: what is there, how it is read and why, what is wrong, what it takes, what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._show import console, print_findings, print_table
from ._tables import print_source

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["print_inspection"]

_LISTED = 8


def print_inspection(found: Mapping[str, Any]) -> None:
    """Print an inspection in sections; the last line is the next command, unbroken, so that it can be copied."""
    out = console()
    for title, rows in (
        ("What is in it", _contents(found)),
        ("Perturbations", _perturbations(found)),
        ("Contexts", _contexts(found)),
        ("A run of it", _forecast(found)),
    ):
        print_table(f"{title}", ("", ""), rows)
        out.print()
    out.print("How it is read, and why", style="bold")
    for line in found["explanation"]:
        out.print(f"· {line}")
    if found["findings"]:
        out.print("\nWhat was noticed", style="bold")
        print_findings(found["findings"])
    out.print("\nEmbeddings", style="bold")
    for source in found["embeddings"]:
        print_source(source)
    out.print(f"\nNext: {found['next']}", soft_wrap=True)


def _contents(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    size = found["bytes_on_disk"]
    values = found["values"]
    return [
        ("source", found["source"]),
        ("size", f"{found['n_cells']:,} cells x {found['n_genes']:,} genes, {_bytes(size) if size else 'in memory'}"),
        ("layout", found["layout"]),
        ("values", f"{values['kind']} in {values['place']}: {values['evidence']}"),
    ]


def _perturbations(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    spread = found["cells_per_perturbation"]
    below = {key.removeprefix("below_"): n for key, n in spread.items() if key.startswith("below_")}
    few = (
        ", ".join(f"{n} below {limit}" for limit, n in below.items() if n)
        or f"none below {max(below, default='1', key=int)}"
    )
    baseline, apart = (_kinds(found["control_kinds"], role) for role in ("baseline", "apart"))
    targets = found["targets"]
    return [
        (
            "perturbations",
            f"{found['n_perturbations']:,}: {found['n_single_genes']:,} single genes, {found['n_combinations']:,} combinations",
        ),
        (
            "controls",
            f"{found['n_control_cells']:,} cells labeled {_some([repr(label) for label in found['control_labels']])}"
            + (f"; the baseline: {baseline}" if apart or ";" in baseline else ""),
        ),
        *([("other controls", f"kept apart and never predicted: {apart}")] if apart else []),
        ("unassigned", f"{found['n_unassigned_cells']:,} cells"),
        (
            "cells each",
            f"{spread.get('min', 0):,} to {spread.get('max', 0):,}, median {spread.get('median', 0):,.0f}; {few}",
        ),
        ("smallest", _some([f"{name} {n:,}" for name, n in found["smallest_perturbations"].items()])),
        ("targets", f"{targets['n_measured']} of {targets['n_targets']} are among the measured genes"),
    ]


def _kinds(rows: list[Mapping[str, Any]], role: str) -> str:
    return "; ".join(f"{r['kind']} {r['n_cells']:,} in {_contexts_of(r)}" for r in rows if r["role"] == role)


def _contexts_of(row: Mapping[str, Any]) -> str:
    return f"{row['n_contexts']:,} context{'' if row['n_contexts'] == 1 else 's'}"


def _contexts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for what in ("context", "sample", "state"):
        told = found[what]
        if told is None:
            rows.append(
                (what, "none, all cells are compared" if what == "context" else f"not found; --{what} names its column")
            )
            continue
        cells = list(told["n_cells"].values())
        without = f", {told['n_without']:,} cells without" if told["n_without"] else ""
        size = f"{min(cells):,} to {max(cells):,} cells each" if cells else "no cells"
        rows.append((what, f"{told['column']}: {told['n_levels']} levels, {size}{without}"))
    controls = found["controls_per_context"]
    if controls:
        least = min(controls, key=controls.__getitem__)
        rows.append(
            ("controls", f"{min(controls.values()):,} to {max(controls.values()):,} per context, fewest in {least!r}")
        )
    told = found["confounding"]
    if told is not None:
        value = "–" if told["cramers_v"] is None else f"{told['cramers_v']:.2f}"
        alone = f", {told['n_in_one_context']} perturbations in one context alone" if told["n_in_one_context"] else ""
        rows.append(("confounding", f"Cramér's V of perturbation and context {value} (0 none, 1 complete){alone}"))
    return rows


def _forecast(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    told = found["forecast"]
    seconds = told["cpu_seconds"]
    time = (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
    return [
        (
            "profile level",
            f"about {time} of one CPU and {_bytes(told['memory_bytes'])} of memory, give or take a factor of 2",
        ),
        ("cell level", "not counted in that; --no-cell-level leaves it out"),
    ]


def _bytes(n: float) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.1f} MB"


def _some(parts: list[str]) -> str:
    rest = f" and {len(parts) - _LISTED} more" if len(parts) > _LISTED else ""
    return ", ".join(parts[:_LISTED]) + rest
