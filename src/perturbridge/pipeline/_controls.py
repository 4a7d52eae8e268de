"""What is known about the controls of a screen, for the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perturbridge.screens import control_kinds_of

if TYPE_CHECKING:
    from perturbridge.values import Effects, Screen

__all__ = ["control_records"]


def control_records(screen: Screen, effects: Effects) -> list[dict[str, Any]]:
    """Return one record for each kind of controls: role, cells, contexts, and for those kept apart how far they are from the baseline.

    `difference`: RMS over genes of their Δ against the baseline of the same contexts; `expected`: what sampling alone gives. Both are
    None for the baseline, and where no cell lies beside a baseline control.
    """
    others = effects.other_controls
    sizes = (
        {} if others is None else dict(zip(others.kinds, zip(others.size, others.expected, strict=True), strict=True))
    )
    rows = []
    for row in control_kinds_of(screen):
        size, expected = sizes.get(row["kind"], (None, None)) if row["role"] == "apart" else (None, None)
        rows.append({**row, "difference": None if size is None else float(size), "expected": _plain(expected)})
    return rows


def _plain(value: float | None) -> float | None:
    return None if value is None or value != value else float(value)  # noqa: PLR0124 - NaN where a kind has one cell
