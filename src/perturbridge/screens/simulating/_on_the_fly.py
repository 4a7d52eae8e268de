"""A screen of any size that is nowhere: its counts are drawn when they are read, the same ones each time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._rng import spawn
from perturbridge.screens.files._validate import check_range
from perturbridge.values import CONTROL_CODE, Labels, Normalization, PerturbationName, RowChunk, Screen

from ._large import Genes, draw_conditions, draw_genes, draw_rows, names

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DrawnRows", "endless_screen"]

ROWS_PER_BLOCK = 512


@dataclass(frozen=True, eq=False)
class DrawnRows:
    """Counts that follow from the seed and the number of the cell; travels as these few numbers.

    Parameters
    ----------
    n_cells, n_genes
        Shape.
    density
        Share of values that are not zero.
    seed
        Draws everything.
    """

    n_cells: int
    n_genes: int
    density: float
    seed: int

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_cells, n_genes)`."""
        return self.n_cells, self.n_genes

    @property
    def description(self) -> str:
        """That it is simulated."""
        return f"simulated counts, seed {self.seed}"

    @property
    def path(self) -> None:
        """None: there is no file."""
        return

    @cached_property
    def _genes(self) -> Genes:
        return draw_genes(self.n_genes, density=self.density, rng=np.random.default_rng((self.seed, 0)))

    def read_rows(self, start: int, stop: int) -> RowChunk:
        """Draw cells `start` to `stop`, `stop` excluded.

        Raises
        ------
        DataError
            For a range outside the cells.
        """
        check_range(start, stop, self.n_cells)
        first, last = start // ROWS_PER_BLOCK, -(-stop // ROWS_PER_BLOCK)
        blocks = [self._block(i) for i in range(first, max(last, first + 1))]
        lengths = np.concatenate([np.diff(block.indptr) for block in blocks])
        ends = np.concatenate([[0], np.cumsum(lengths)])
        low, high = start - first * ROWS_PER_BLOCK, stop - first * ROWS_PER_BLOCK
        span = slice(int(ends[low]), int(ends[high]))
        return RowChunk(
            start,
            (ends[low : high + 1] - ends[low]).astype(np.int64),
            np.concatenate([block.indices for block in blocks])[span],
            np.concatenate([block.data for block in blocks])[span],
        )

    def _block(self, number: int) -> RowChunk:
        rng = np.random.default_rng((self.seed, 1, number))
        return draw_rows(number * ROWS_PER_BLOCK, ROWS_PER_BLOCK, genes=self._genes, rng=rng)

    def row_ends(self) -> NDArray[np.int64]:
        """Return about how many values there are up to each cell `(n_cells,)`."""
        return (np.arange(1, self.n_cells + 1) * (self.n_genes * self.density)).astype(np.int64)


def endless_screen(
    n_cells: int = 2_000_000,
    *,
    n_genes: int = 8_000,
    n_conditions: int = 2_000,
    n_contexts: int = 48,
    density: float = 0.08,
    seed: int = 0,
) -> Screen:
    """Return a screen like those of `write_large` whose counts are drawn as they are read; it takes 8 bytes per cell, its labels.

    Parameters
    ----------
    n_cells, n_genes, n_conditions, n_contexts
        Sizes; conditions do not include the control.
    density
        Share of values that are not zero.
    seed
        Draws everything.

    Examples
    --------
    >>> screen = endless_screen(10_000_000, n_genes=50, n_conditions=10)
    >>> screen.n_cells, screen.source.read_rows(9_999_000, 9_999_002).n_rows
    (10000000, 2)
    """
    drawn = draw_conditions(n_cells, n_conditions, rng=spawn(seed, 2)[0])
    codes = np.where(drawn == n_conditions, CONTROL_CODE, drawn).astype(np.int32)
    contexts = (np.arange(n_cells) * n_contexts // n_cells).astype(np.int32)
    return Screen(
        source=DrawnRows(n_cells, n_genes, density, seed),
        genes=tuple(names("GENE", n_genes)),
        perturbations=tuple(PerturbationName.parse(name) for name in names("TARGET", n_conditions)),
        perturbation_codes=codes,
        normalization=Normalization(kind="counts", place="X", evidence="simulated"),
        context=Labels("context", tuple(names("context", n_contexts)), contexts),
    )
