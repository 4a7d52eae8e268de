"""Effects of a screen: one streaming pass, then arithmetic on the sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from perturbridge.workers import as_workers

from ._finish import finish
from ._frame import frame_of
from ._grouping import group_cells
from ._kept import Kept, mark_of
from ._plan import plan_sums
from ._spread import sum_screen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from perturbridge.values import Effects, Screen
    from perturbridge.workers import Forecast

__all__ = ["forecast_pseudobulk", "pseudobulk"]


def pseudobulk(
    screen: Screen,
    *,
    min_cells: int = 2,
    on_few: Literal["raise", "drop"] = "raise",
    chunk_rows: int | None = None,
    client: object = None,
    memory: str | int | None = None,
    checkpoint: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Effects:
    """Δ_p = S_p/n_p − Σ_b (n_pb/n_p) · C_b/m_b, from one pass over the cells of a screen.

    S_p and C_b are sums of x over the n_p cells of perturbation p and the m_b control cells of context b; n_pb of the n_p cells
    lie in context b. x = log1p(count · target_sum / total of the cell), or the value itself where the screen holds log1p values.

    Sums are kept as integers, so delta, mean, variance and fingerprint are the same to the last bit for every `chunk_rows`, `client`,
    `memory` and however often the work was interrupted.
    Memory: 28 bytes per gene for each perturbation, 20 for each context, plus one chunk of cells; the file may be larger than memory.

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
        Most cells read at a time; default: enough for eight cells of each group, from one to twelve million stored values.
    client
        A `dask.distributed.Client` or any `concurrent.futures.Executor`, whose workers read ranges of cells themselves: they must reach
        the file. Values that lie in memory alone are sent to them. None: this process.
    memory
        Budget of this process and of each worker, `"4GB"`. Where the sums of all genes do not fit, blocks of genes are summed one after
        the other, a pass over the file for each, and delta, variance and detected then lie in unnamed files (in `checkpoint`, or where
        the system has temporary files). None: one pass.
    checkpoint
        Folder, for workers one that all reach, in which sums are kept while the work lasts; if it holds some, the work goes on from them.
        Emptied at the end.
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
        If there is no control cell, no perturbed cell, a perturbation with too few cells, a broken value, too little memory or room on
        disk, a checkpoint of another screen, or the workers are lost.
    """
    grouping = group_cells(screen, min_cells=min_cells, on_few=on_few)
    frame = frame_of(screen, grouping, chunk_rows=chunk_rows)
    workers = as_workers(client)
    plan = plan_sums(screen, frame, memory=memory, here=workers.here)
    kept = None if checkpoint is None else Kept.open(checkpoint, mark_of(screen, grouping, frame))
    total = sum_screen(
        screen,
        grouping,
        frame,
        plan=plan,
        workers=workers,
        kept=kept,
        scratch=None if kept is None else kept.folder,
        progress=progress,
    )
    # The names are still needed; the labels of the cells would only add to the peak, which comes now.
    grouping = grouping.without_cells()
    effects = finish(screen, grouping, total, min_cells=min_cells, on_few=on_few)
    if kept is not None:
        kept.clear()
    return effects


def forecast_pseudobulk(
    screen: Screen,
    *,
    min_cells: int = 2,
    on_few: Literal["raise", "drop"] = "raise",
    chunk_rows: int | None = None,
    client: object = None,
    memory: str | int | None = None,
) -> Forecast:
    """Return what `pseudobulk` will take in memory, from the labels alone.

    Parameters
    ----------
    screen, min_cells, on_few, chunk_rows, client, memory
        As in `pseudobulk`.

    Raises
    ------
    DataError
        As `pseudobulk` does before it reads a value.
    """
    grouping = group_cells(screen, min_cells=min_cells, on_few=on_few)
    frame = frame_of(screen, grouping, chunk_rows=chunk_rows)
    return plan_sums(screen, frame, memory=memory, here=as_workers(client).here).forecast
