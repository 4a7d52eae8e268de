"""Sums that do not fit into memory, in files without a name: gone when nobody uses them any more, whatever ends the process."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._mapped import give_back, room
from perturbridge.errors import DataError
from perturbridge.workers import show_bytes

from ._plan import BYTES_ON_DISK

if TYPE_CHECKING:
    from ._fixed_point import Accumulator
    from ._frame import Frame

__all__ = ["ScratchSums"]

_TABLES = ("sums", "squares", "detected")


class ScratchSums:
    """Sums of all genes on disk, filled a block of genes at a time.

    Parameters
    ----------
    frame
        Of all genes.
    folder
        Where the files lie; default: that of the system for temporary files.

    Raises
    ------
    DataError
        If the disk has too little room.
    """

    def __init__(self, frame: Frame, folder: str | Path | None = None) -> None:
        place = Path(folder or tempfile.gettempdir())
        shape = (frame.n_groups, frame.n_genes)
        needed, free = BYTES_ON_DISK * shape[0] * shape[1], shutil.disk_usage(place).free
        if free < needed:
            raise _full(place, needed=needed, free=free)
        self._tables = {name: room(shape, np.int64, folder=place, on_disk=True) for name in _TABLES}
        self._counts: Accumulator | None = None

    def put(self, low: int, high: int, /, block: Accumulator) -> None:
        """Keep the sums of the genes `low` to `high`, `high` excluded; counts of cells are those of any block."""
        for name, table in self._tables.items():
            table[:, low:high] = getattr(block, name)
            # What is on disk need not be in memory as well.
            give_back(table)
        nothing = np.empty((0, 0), dtype=np.int64)
        self._counts = replace(block, sums=nothing, squares=nothing, detected=nothing.astype(np.int32))

    def total(self) -> Accumulator:
        """Return the sums of all genes, in memory only where they are touched."""
        if self._counts is None:
            message = "put a block before asking for the total"
            raise RuntimeError(message)
        tables: dict[str, Any] = self._tables
        return replace(self._counts, **tables)


def _full(folder: Path, *, needed: int, free: int) -> DataError:
    problem = f"{folder} has {show_bytes(free)} free; sums that do not fit into memory take {show_bytes(needed)} there."
    return DataError(problem, cure="Allow more memory, or name a folder on a larger disk as checkpoint.")
