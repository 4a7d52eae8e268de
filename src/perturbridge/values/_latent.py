"""A latent: low-dimensional coordinates of cells, and everything that must travel with them to be judged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from perturbridge._checks import FrozenMapping, array_of, freeze, nearest_names, one_of
from perturbridge._mapped import stretches
from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ._findings import Finding
    from ._screen import Labels

__all__ = ["FittedStep", "Latent"]


@dataclass(frozen=True, kw_only=True)
class FittedStep:
    """One thing that was fitted on the way to a latent, and on which cells.

    Parameters
    ----------
    name
        Such as `"gene choice"`, `"scaling"`, `"encoder"`.
    rows
        `"train"`: training cells of the split alone. `"all"`: every cell, test cells included. `"unknown"`: nobody wrote it down.
    split_hash
        Of the split whose training rows were used; empty where there was none.
    n_cells
        How many cells it saw, 0 where unknown.
    """

    name: str
    rows: Literal["train", "all", "unknown"]
    split_hash: str = ""
    n_cells: int = 0

    def __post_init__(self) -> None:
        one_of("rows", self.rows, ("train", "all", "unknown"))


@dataclass(frozen=True, eq=False, kw_only=True)
class Latent:
    """Coordinates z of cells in a latent space.

    Parameters
    ----------
    z
        `(n_cells, n_dims)`, float32, finite. From 64 MiB on it may lie in a file and be fetched as it is looked at.
    cells
        Row of each cell in the screen it came from `(n_cells,)`, unique; default `0 … n_cells − 1`.
    name
        Short name for tables and figures.
    made_by
        How it was made, one line.
    labels
        Columns of the cells that travelled along, by role (`"context"`, `"sample"`, `"condition"`, `"state"`) or by name,
        each with one code per row of `z`.
    split_hash
        Of the split it was fitted under; empty where there was none.
    trained
        True for cells that any fitted step saw `(n_cells,)`, or None where unknown.
    steps
        What was fitted on the way, and on which cells.
    findings
        What was noticed on the way.
    """

    z: NDArray[np.float32]
    cells: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    name: str = "latent"
    made_by: str = ""
    labels: Mapping[str, Labels] = field(default_factory=lambda: FrozenMapping({}))
    split_hash: str = ""
    trained: NDArray[np.bool_] | None = None
    steps: tuple[FittedStep, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "z", array_of(f"latent {self.name!r}", self.z, shape=(None, None), dtype=np.float32))
        n_cells, n_dims = self.z.shape
        if n_cells == 0 or n_dims == 0:
            problem = f"Latent {self.name!r} has {n_cells} cells and {n_dims} dimensions."
            raise DataError(problem, cure="Encode at least one cell into at least one dimension.")
        cells = np.arange(n_cells) if len(self.cells) == 0 else self.cells
        set_(self, "cells", array_of("cells", cells, shape=(n_cells,), dtype=np.int64))
        if (self.cells[1:] <= self.cells[:-1]).any() and (n_once := len(np.unique(self.cells))) != n_cells:
            problem = f"Latent {self.name!r} has {n_cells - n_once} cells that stand more than once."
            raise DataError(problem, cure="Encode every cell once.")
        if self.trained is not None:
            set_(self, "trained", freeze(np.asarray(self.trained, dtype=np.bool_)))
        set_(self, "labels", FrozenMapping(dict(self.labels)))
        lengths = {name: len(labels.codes) for name, labels in self.labels.items()}
        lengths |= {} if self.trained is None else {"trained": len(self.trained)}
        for name, length in lengths.items():
            if length != n_cells:
                problem = f"{name!r} has {length} labels for the {n_cells} cells of latent {self.name!r}."
                raise DataError(problem, cure="Give one label per cell of the latent.")

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.z.shape[0])

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return int(self.z.shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over coordinates, cells and split hash, 64 hex digits: an audit of one latent never speaks for another."""
        digest = hashlib.sha256(f"{self.z.shape}|{self.split_hash}|".encode())
        digest.update(np.ascontiguousarray(self.cells).data)
        for _, part in stretches(self.z):
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()

    def column(self, name: str) -> Labels:
        """Return the labels of a role (`"context"`) or a column (`"gem_group"`).

        Raises
        ------
        DataError
            If there are none of that name, with the names there are.
        """
        if name in self.labels:
            return self.labels[name]
        for labels in self.labels.values():
            if labels.column == name:
                return labels
        known = sorted({*self.labels, *(labels.column for labels in self.labels.values())})
        problem = f"Latent {self.name!r} carries no labels called {name!r}."
        near = f"It carries {nearest_names(name, known)}." if known else "It carries none: pass an array of labels."
        raise DataError(problem, cure=near)
