"""Controls that are not the baseline: what each kind does against it, and whether that is more than sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import Finding, OtherControls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import ContextTable

__all__ = ["other_controls", "others_findings"]

_EXCESS = 2.0


def other_controls(
    kinds: tuple[str, ...],
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    /,
    *,
    n: NDArray[np.int64],
    table: ContextTable,
) -> OtherControls | None:
    """Compare each kind with the baseline of its own contexts; None where there is no kind with a cell.

    Parameters
    ----------
    kinds
        Names `(n_kinds,)`.
    mean, variance
        Over the cells of each kind `(n_kinds, n_genes)`.
    n
        Cells `(n_kinds, n_contexts)`.
    table
        The baseline by context.
    """
    n_cells = n.sum(axis=1)
    kept = np.flatnonzero(n_cells > 0)
    if not len(kept):
        return None
    weights = n[kept] / n_cells[kept, None]
    own = np.where(n_cells[kept, None] > 1, variance[kept] / n_cells[kept, None], np.nan)
    shared = (weights**2) @ (table.control_variance / np.maximum(table.n_control, 1)[:, None])
    return OtherControls(
        kinds=tuple(kinds[i] for i in kept.tolist()),
        n_cells=n_cells[kept],
        delta=mean[kept] - weights @ table.control_mean,
        noise=own + shared,
    )


def others_findings(others: OtherControls | None) -> tuple[Finding, ...]:
    """Say how far each kind is from the baseline; a warning where its Δ² is more than twice what sampling makes."""
    if others is None:
        return ()
    found = []
    for kind, n, size, expected in zip(others.kinds, others.n_cells, others.size, others.expected, strict=True):
        known = bool(np.isfinite(expected))
        apart = known and size**2 > _EXCESS * expected**2
        alone = f"sampling alone gives {expected:.3f}" if known else "too few cells to say what sampling gives"
        message = f"{int(n):,} controls of kind {kind!r} are not the baseline; they differ from it by {size:.3f} (RMS over genes, {alone})."
        if apart:
            message += " They are no substitute for it: what perturbations do depends on which kind is taken."
        found.append(
            Finding(
                level="warning" if apart else "info",
                code="other_controls",
                message=message,
                count=int(n),
                example=kind,
            )
        )
    return tuple(found)
