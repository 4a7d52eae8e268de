"""What a screen can be read from, seen the same way whatever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from perturbridge.values import CountSource, Finding

    from ._column import Column

__all__ = ["Container"]


class Container(Protocol):
    """A cell table, a gene table and one or more matrices."""

    @property
    def path(self) -> str | None:
        """The file or folder, or None for an object in memory."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def n_cells(self) -> int:
        """Rows of the cell table."""

    @property
    def logged(self) -> bool:
        """True if it says that `X` was log-transformed (`uns["log1p"]`)."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed on opening."""

    def cell_names(self) -> tuple[str, ...]:
        """Names of the cells, empty where they have none."""

    def cell_columns(self) -> tuple[str, ...]:
        """Names of the columns of the cell table."""

    def cell_column(self, name: str) -> Column:
        """One column of the cell table."""

    def places(self) -> tuple[str, ...]:
        """Where matrices lie: `"X"`, `"raw/X"`, `"layers/NAME"`."""

    def gene_columns(self, place: str) -> tuple[str, ...]:
        """Names of the columns of the gene table that belongs to a place."""

    def gene_names(self, place: str, column: str | None = None) -> tuple[str, ...]:
        """One column of that gene table as text, or its index."""

    def source(self, place: str, *, gene_names: tuple[str, ...] = ()) -> CountSource:
        """A reader for the matrix at a place."""
