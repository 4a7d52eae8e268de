"""Several files or plates as one screen: their tables joined, their matrices left where they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError
from perturbridge.values import Finding

from ._column import Column, column_of_categories
from ._source_joined import JoinedSource
from ._source_picked import PickedGenes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perturbridge.values import CountSource

    from ._container import Container

__all__ = ["FILE", "Joined", "join_containers"]

FILE = "file"
# Plates of one screen measure the same genes; below this share they were named by different schemes.
_SHARED = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Joined:
    """Cells of several containers, with the name of the file as one more column.

    Parameters
    ----------
    parts
        The containers.
    titles
        What to call each in the column `file`.
    path
        Folder or pattern, None for a list of files.
    findings
        Those of the parts, and what joining them left out.
    """

    parts: tuple[Container, ...]
    titles: tuple[str, ...]
    path: str | None
    findings: tuple[Finding, ...] = ()
    _shared: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Folder or pattern, or the first file and how many follow."""
        return self.path or f"{self.parts[0].name} and {len(self.parts) - 1} more files"

    @property
    def n_cells(self) -> int:
        """Cells of all files."""
        return sum(part.n_cells for part in self.parts)

    @property
    def logged(self) -> bool:
        """True if any file says so."""
        return any(part.logged for part in self.parts)

    def cell_names(self) -> tuple[str, ...]:
        """Names of the cells of all files, empty where one has none; they need not be unique."""
        names = [part.cell_names() for part in self.parts]
        known = all(len(some) == part.n_cells for some, part in zip(names, self.parts, strict=True))
        return tuple(name for some in names for name in some) if known else ()

    def cell_columns(self) -> tuple[str, ...]:
        """Columns that every file has, and `file`."""
        first, *others = [part.cell_columns() for part in self.parts]
        shared = tuple(name for name in first if all(name in other for other in others))
        return shared if FILE in shared else (*shared, FILE)

    def cell_column(self, name: str) -> Column:
        """One column over all files."""
        if name == FILE and FILE not in self.parts[0].cell_columns():
            sizes = [part.n_cells for part in self.parts]
            return column_of_categories(name, self.titles, np.repeat(np.arange(len(sizes), dtype=np.int32), sizes))
        columns = [part.cell_column(name) for part in self.parts]
        labels = tuple(dict.fromkeys(label for column in columns for label in column.labels))
        position = {label: i for i, label in enumerate(labels)}
        tables = [np.array([*(position[label] for label in c.labels), -1], dtype=np.int32) for c in columns]
        codes = np.concatenate([table[column.codes] for table, column in zip(tables, columns, strict=True)])
        kinds = {column.kind for column in columns}
        return Column(name, labels, codes, columns[0].kind if len(kinds) == 1 else "text")

    def places(self) -> tuple[str, ...]:
        """Places that every file has."""
        first, *others = [part.places() for part in self.parts]
        return tuple(place for place in first if all(place in other for other in others))

    def gene_columns(self, place: str) -> tuple[str, ...]:
        """Gene columns of the first file."""
        return self.parts[0].gene_columns(place)

    def gene_names(self, place: str, column: str | None = None) -> tuple[str, ...]:
        """Names of the genes that every file has, in the order of the first."""
        names = self.parts[0].gene_names(place, column)
        index = self.parts[0].gene_names(place) if column else names
        shared = frozenset(self._genes(place))
        return tuple(name for name, gene in zip(names, index, strict=True) if gene in shared)

    def source(self, place: str, *, gene_names: tuple[str, ...] = ()) -> CountSource:
        """A reader for the matrices at a place."""
        genes = self._genes(place)
        return JoinedSource(tuple(_picked(part, place, genes, names=gene_names) for part in self.parts), self.path)

    def _genes(self, place: str) -> tuple[str, ...]:
        if place not in self._shared:
            self._shared[place] = _shared_genes(self.parts, place)
        return self._shared[place]


def _shared_genes(parts: Sequence[Container], place: str) -> tuple[str, ...]:
    first, *others = [part.gene_names(place) for part in parts]
    if all(other == first for other in others):
        return first
    for part, names in zip(parts, (first, *others), strict=True):
        doubled = next((name for name, n in Counter(names).items() if n > 1), None)
        if doubled is not None:
            problem = f"{part.name} names gene {doubled!r} more than once, so that its genes cannot be matched with those of other files."
            raise DataError(problem, cure="Make the gene names of each file unique.")
    shared = frozenset(first).intersection(*others)
    fewest = min(len(first), *map(len, others))
    if len(shared) < _SHARED * fewest:
        problem = f"The {len(parts)} files share {len(shared):,} of {fewest:,} gene names; the first of each are {', '.join(repr(names[0]) for names in (first, *others)[:4])}."
        raise DataError(problem, cure="Name the genes in all files by the same scheme, symbols or ids.")
    return tuple(name for name in first if name in shared)


def _picked(part: Container, place: str, genes: tuple[str, ...], *, names: tuple[str, ...]) -> CountSource:
    own = part.gene_names(place)
    if own == genes:
        return part.source(place, gene_names=names)
    position = {name: i for i, name in enumerate(own)}
    columns = np.array([position[name] for name in genes], dtype=np.int64)
    return PickedGenes(part.source(place, gene_names=own), columns)


def join_containers(parts: Sequence[Container], titles: Sequence[str], *, path: str | None) -> Joined:
    """Join containers that share a place for values.

    Raises
    ------
    DataError
        If there is none, no place is in all of them, or their genes differ too much to be one screen.
    """
    joined = Joined(parts=tuple(parts), titles=_distinct(titles), path=path)
    if not joined.places():
        shown = "; ".join(f"{part.name}: {', '.join(part.places())}" for part in parts[:3])
        problem = f"The {len(parts)} files have no matrix at a place they share ({shown})."
        raise DataError(problem, cure="Store the counts of all files in the same place, such as layers['counts'].")
    findings = [finding for part in parts for finding in part.findings]
    message = (
        f"{len(parts)} files are read as one screen: {', '.join(joined.titles[:4])}{', …' if len(parts) > 4 else ''}."
    )
    findings.append(Finding(level="info", code="joined_files", message=message, count=len(parts)))
    findings += [*_left_out_columns(joined), *_left_out_genes(joined), *_doubled_cells(joined)]
    return Joined(parts=joined.parts, titles=joined.titles, path=path, findings=tuple(findings))


def _distinct(titles: Sequence[str]) -> tuple[str, ...]:
    return tuple(titles) if len(set(titles)) == len(titles) else tuple(f"{i}: {t}" for i, t in enumerate(titles, 1))


def _left_out_columns(joined: Joined) -> list[Finding]:
    every = dict.fromkeys(name for part in joined.parts for name in part.cell_columns())
    lost = [name for name in every if name not in joined.cell_columns()]
    if not lost:
        return []
    message = f"{len(lost)} cell columns are not in all files and are not used: {', '.join(map(repr, lost[:6]))}."
    return [
        Finding(level="warning", code="columns_not_in_all_files", message=message, count=len(lost), example=lost[0])
    ]


def _left_out_genes(joined: Joined) -> list[Finding]:
    place = joined.places()[0]
    shared = frozenset(joined.gene_names(place))
    lost = dict.fromkeys(g for part in joined.parts for g in part.gene_names(place) if g not in shared)
    if not lost:
        return []
    message = f"{len(lost):,} genes are not in all files and are left out; {len(shared):,} are in all."
    return [
        Finding(
            level="warning", code="genes_not_in_all_files", message=message, count=len(lost), example=next(iter(lost))
        )
    ]


def _doubled_cells(joined: Joined) -> list[Finding]:
    counts = Counter(joined.cell_names())
    doubled = [name for name, n in counts.items() if n > 1]
    if not doubled:
        return []
    message = f"{len(doubled):,} cell names stand in more than one file; cells are told apart by their file, not by their name."
    return [Finding(level="info", code="repeated_cell_names", message=message, count=len(doubled), example=doubled[0])]
