"""A screen: a handle on the counts and the labels of the cells; no copy of either."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from perturbridge._checks import freeze, unique_names
from perturbridge.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._findings import Finding
    from ._names import PerturbationName

__all__ = [
    "CONTROL_CODE",
    "UNASSIGNED_CODE",
    "CountSource",
    "Labels",
    "Normalization",
    "RowChunk",
    "RowRange",
    "Screen",
    "part_of",
]

CONTROL_CODE = -1
UNASSIGNED_CODE = -2


@dataclass(frozen=True, eq=False)
class RowChunk:
    """Consecutive cells of a screen in compressed sparse row form, validated by the source that read them.

    Parameters
    ----------
    start
        Index of the first cell.
    indptr, indices, data
        CSR arrays, `(n_rows + 1,)`, `(nnz,)`, `(nnz,)`; `indptr[0] == 0`, indices within the genes, no duplicates in a row.
    """

    start: int
    indptr: NDArray[np.int64]
    indices: NDArray[Any]
    data: NDArray[Any]

    @property
    def n_rows(self) -> int:
        """Number of cells in the chunk."""
        return len(self.indptr) - 1


class CountSource(Protocol):
    """Where the values of a screen come from; reads rows on demand and keeps nothing."""

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_cells, n_genes)`."""

    @property
    def description(self) -> str:
        """File, place in it and layout, for messages and the manifest."""

    @property
    def path(self) -> str | None:
        """The file, or None for values in memory."""

    def read_rows(self, start: int, stop: int) -> RowChunk:
        """Read and validate cells `start` to `stop`, `stop` excluded; raises DataError with the first offender."""

    def row_ends(self) -> NDArray[np.int64] | None:
        """Cumulated number of stored values after each cell `(n_cells,)`, or None where every cell stores all genes."""


@dataclass(frozen=True, eq=False)
class RowRange:
    """Consecutive cells of a source as a source of their own.

    Parameters
    ----------
    inner
        Reads the values.
    start, stop
        Cells of `inner`, `stop` excluded.
    """

    inner: CountSource
    start: int
    stop: int

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_cells, n_genes)`."""
        return self.stop - self.start, self.inner.shape[1]

    @property
    def description(self) -> str:
        """That of the inner source."""
        return self.inner.description

    @property
    def path(self) -> str | None:
        """That of the inner source."""
        return self.inner.path

    def locate(self, cell: int, gene: int | None = None, /) -> str:
        """Return the names of a cell and a gene, for a message."""
        locate = getattr(self.inner, "locate", None)
        return str(locate(cell + self.start, gene)) if callable(locate) else f"cell {cell + self.start}"

    def read_rows(self, start: int, stop: int) -> RowChunk:
        """Read cells `start` to `stop` of the range, `stop` excluded, checked by the inner source."""
        if not 0 <= start <= stop <= self.shape[0]:
            problem = f"Rows {start} to {stop} were asked for; there are {self.shape[0]}."
            raise DataError(problem, cure="Ask for a range inside the cells.")
        chunk = self.inner.read_rows(start + self.start, stop + self.start)
        return RowChunk(start, chunk.indptr, chunk.indices, chunk.data)

    def row_ends(self) -> NDArray[np.int64] | None:
        """Return the cumulated number of stored values after each cell of the range, or None for a dense source."""
        ends = self.inner.row_ends()
        if ends is None:
            return None
        return ends[self.start : self.stop] - (ends[self.start - 1] if self.start else 0)


@dataclass(frozen=True, eq=False)
class Labels:
    """A categorical column of the cells.

    Parameters
    ----------
    column
        Name of the column in the file.
    categories
        Sorted unique values.
    codes
        Index into `categories` for each cell `(n_cells,)`; -1 where the label is missing.
    """

    column: str
    categories: tuple[str, ...]
    codes: NDArray[np.int32]

    def __post_init__(self) -> None:
        unique_names(f"column {self.column!r}", self.categories)
        codes = np.asarray(self.codes, dtype=np.int32)
        if codes.size and (codes.min() < -1 or codes.max() >= len(self.categories)):
            problem = f"Column {self.column!r} has a code outside its {len(self.categories)} categories."
            raise DataError(problem, cure="Write the column again as plain strings.")
        object.__setattr__(self, "codes", freeze(codes))


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """What the values of a screen are, how that was found out, and what is done to them.

    Parameters
    ----------
    kind
        `"counts"`: divided by the cell total, times `target_sum`, log1p. `"log1p"`: taken as they are.
    place
        Where they lie: `"X"`, `"raw/X"` or `"layers/NAME"`.
    target_sum
        Counts per cell after scaling.
    evidence
        The reason for `kind`, one sentence.
    """

    kind: Literal["counts", "log1p"]
    place: str
    target_sum: float = 1e4
    evidence: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Screen:
    """Cells, their perturbations and their groupings; values stay where they are until something reads them.

    Parameters
    ----------
    source
        Reads the values.
    genes
        Unique gene names `(n_genes,)`.
    perturbations
        Unique perturbations other than the control, sorted `(n_perturbations,)`.
    perturbation_codes
        For each cell `(n_cells,)` an index into `perturbations`, `CONTROL_CODE` or `UNASSIGNED_CODE`.
    normalization
        What the values are.
    context
        Technical grouping that must not drive conclusions, or None for one context.
    sample, state
        Biological unit to hold out as a whole; biology worth keeping; None where unknown.
    gene_ids
        Stable identifiers `(n_genes,)`, empty where the file has none.
    preset
        Name of the preset that was used, `"explicit"` or `"detected"`.
    perturbation_column, control_labels
        Where the perturbations were read from, and which of its labels are the baseline; empty where there is no file.
    control_kinds
        Kind of each cell that has `CONTROL_CODE` (non-targeting, safe-targeting, …); None where that is not known.
    other_controls
        Kind of each control cell that is not the baseline, whose perturbation code is `UNASSIGNED_CODE`; -1 for every other cell. Such
        cells are summed apart and never predicted. None where all controls are the baseline.
    explanation
        How columns and control were found, one sentence each.
    findings
        What was noticed while reading.
    """

    source: CountSource
    genes: tuple[str, ...]
    perturbations: tuple[PerturbationName, ...]
    perturbation_codes: NDArray[np.int32]
    normalization: Normalization
    context: Labels | None = None
    sample: Labels | None = None
    state: Labels | None = None
    gene_ids: tuple[str, ...] = ()
    preset: str = "explicit"
    perturbation_column: str = ""
    control_labels: tuple[str, ...] = ()
    control_kinds: Labels | None = None
    other_controls: Labels | None = None
    explanation: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    def __post_init__(self) -> None:
        n_cells, n_genes = self.source.shape
        object.__setattr__(self, "genes", unique_names("genes", self.genes))
        if len(self.genes) != n_genes:
            problem = f"{len(self.genes)} gene names for {n_genes} columns of {self.source.description}."
            raise DataError(problem, cure="Give one name per column.")
        codes = freeze(np.asarray(self.perturbation_codes, dtype=np.int32))
        object.__setattr__(self, "perturbation_codes", codes)
        for name, labels in (("perturbation", codes), *((g.column, g.codes) for g in self._groupings())):
            if len(labels) != n_cells:
                problem = f"Column {name!r} has {len(labels)} labels for {n_cells} cells."
                raise DataError(problem, cure="Give one label per cell.")
        if codes.size and (codes.min() < UNASSIGNED_CODE or codes.max() >= len(self.perturbations)):
            problem = f"A perturbation code lies outside {UNASSIGNED_CODE}..{len(self.perturbations) - 1}."
            raise DataError(problem, cure="Build the screen with read_screen or simulate.screen.")
        if self.other_controls is not None and (codes[self.other_controls.codes >= 0] != UNASSIGNED_CODE).any():
            problem = "Some cells are controls that are not the baseline and have a perturbation code as well."
            raise DataError(problem, cure="Build the screen with read_screen or simulate.screen.")
        if list(self.perturbations) != sorted(set(self.perturbations)):
            problem = "The perturbations of a screen are not sorted and unique."
            raise DataError(problem, cure="Build the screen with read_screen or simulate.screen.")

    def _groupings(self) -> tuple[Labels, ...]:
        every = (self.context, self.sample, self.state, self.control_kinds, self.other_controls)
        return tuple(g for g in every if g is not None)

    def part(self, start: int, stop: int) -> Screen:
        """Return the cells `start` to `stop`, `stop` excluded, as a screen of their own with the same perturbations and categories.

        It travels well: labels of these cells, and where to read them; findings and explanation stay behind.

        Parameters
        ----------
        start, stop
            Range of cells.

        Raises
        ------
        DataError
            If the range lies outside the cells.
        """
        if not 0 <= start <= stop <= self.n_cells:
            problem = f"Cells {start} to {stop} were asked for; the screen has {self.n_cells}."
            raise DataError(problem, cure="Ask for a range inside the cells.")
        return replace(
            self,
            source=part_of(self.source, start, stop),
            perturbation_codes=self.perturbation_codes[start:stop].copy(),
            context=_cut(self.context, start, stop),
            sample=_cut(self.sample, start, stop),
            state=_cut(self.state, start, stop),
            control_kinds=_cut(self.control_kinds, start, stop),
            other_controls=_cut(self.other_controls, start, stop),
            explanation=(),
            findings=(),
        )

    @property
    def n_cells(self) -> int:
        """Number of cells, controls and unassigned included."""
        return self.source.shape[0]

    @property
    def n_genes(self) -> int:
        """Number of measured genes."""
        return self.source.shape[1]


def part_of(source: CountSource, start: int, stop: int, /) -> CountSource:
    """Return cells `start` to `stop`, `stop` excluded, as a source that travels well: the source's own way where it has one."""
    own = getattr(source, "part", None)
    if callable(own):
        cut: CountSource = own(start, stop)
        return cut
    return RowRange(source, start, stop)


def _cut(labels: Labels | None, start: int, stop: int) -> Labels | None:
    return None if labels is None else replace(labels, codes=labels.codes[start:stop].copy())
