"""How far perturbation and context can be told apart: cells of each perturbation in each context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.numerics import cramers_v
from perturbridge.values import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Screen

__all__ = ["cells_by_context", "confounding", "confounding_finding"]

_STRONG = 0.3
_ENOUGH = 5


def cells_by_context(screen: Screen) -> NDArray[np.int64]:
    """Return cells of each perturbation in each context `(n_perturbations, n_contexts)`; empty where there is no context."""
    labels, codes = screen.context, screen.perturbation_codes
    if labels is None:
        return np.zeros((len(screen.perturbations), 0), dtype=np.int64)
    n = len(labels.categories)
    kept = (labels.codes >= 0) & (codes >= 0)
    flat = codes[kept].astype(np.int64) * n + labels.codes[kept]
    return np.bincount(flat, minlength=len(screen.perturbations) * n).reshape(-1, n).astype(np.int64)


def confounding(screen: Screen) -> dict[str, Any] | None:
    """Return Cramér's V of perturbation and context and the perturbations that lie in one context alone; None without contexts."""
    table = cells_by_context(screen)
    if table.shape[1] < 2:
        return None
    sizes = table.sum(axis=1)
    alone = np.flatnonzero((sizes >= _ENOUGH) & (table.max(axis=1) == sizes))
    value = cramers_v(table)
    return {
        "cramers_v": None if np.isnan(value) else round(value, 3),
        "n_in_one_context": len(alone),
        "in_one_context": [str(screen.perturbations[i]) for i in alone[:8].tolist()],
        "n_in_all_contexts": int(np.count_nonzero((table > 0).all(axis=1))),
    }


def confounding_finding(told: dict[str, Any] | None) -> list[Finding]:
    """Return a warning where context tells much of the perturbation."""
    if told is None or told["cramers_v"] is None or told["cramers_v"] < _STRONG:
        return []
    message = (
        f"Perturbation and context are confounded (Cramér's V {told['cramers_v']:.2f}, 0 is none and 1 complete; {told['n_in_one_context']} "
        "perturbations lie in one context alone): effects are matched with controls of the same context, which takes out what those show."
    )
    example = told["in_one_context"][0] if told["in_one_context"] else ""
    return [
        Finding(
            level="warning",
            code="confounded_with_context",
            message=message,
            count=told["n_in_one_context"],
            example=example,
        )
    ]
