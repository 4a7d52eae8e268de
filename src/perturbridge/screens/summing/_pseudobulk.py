"""Effects of a screen: one streaming pass, then arithmetic on the sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ._accumulate import accumulate
from ._finish import finish
from ._grouping import group_cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from perturbridge.values import Effects, Screen

__all__ = ["pseudobulk"]


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
