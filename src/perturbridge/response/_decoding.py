"""Decoding cells context by context, a few at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from perturbridge.values import Decoder, Latent

__all__ = ["Decoding"]

_AT_ONCE = 1024
_TARGET_SUM = 1e4


@dataclass(frozen=True, eq=False)
class Decoding:
    """A decoder, and the context of each cell of a list.

    Parameters
    ----------
    decoder
        From coordinates to counts.
    groups
        Context and cells that have it; the name is None where cells are not labelled.
    """

    decoder: Decoder
    groups: tuple[tuple[str | None, NDArray[np.int64]], ...]

    @classmethod
    def of(cls, decoder: Decoder, latent: Latent, rows: NDArray[np.int64]) -> Decoding:
        """Group these cells of a latent by context."""
        if "context" not in latent.labels:
            return cls(decoder, ((None, np.arange(len(rows))),))
        labels = latent.labels["context"]
        codes = labels.codes[rows]
        return cls(
            decoder,
            tuple((labels.categories[c] if c >= 0 else None, np.flatnonzero(codes == c)) for c in np.unique(codes)),
        )

    @property
    def genes(self) -> tuple[str, ...]:
        """Columns."""
        return tuple(self.decoder.genes)

    def _parts(self) -> Iterator[tuple[str | None, NDArray[np.int64]]]:
        for context, cells in self.groups:
            for start in range(0, len(cells), _AT_ONCE):
                yield context, cells[start : start + _AT_ONCE]

    def mean_log1p(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean over cells of log1p of expected counts per 10,000 `(n_genes,)`."""
        total = np.zeros(len(self.genes))
        for context, cells in self._parts():
            counts = self.decoder.decode(z[cells], context=context, library_size=_TARGET_SUM)
            total += np.log1p(counts).sum(axis=0, dtype=np.float64)
        return total / len(z)

    def expression(
        self, z: NDArray[np.float32], library: NDArray[np.float64], *, rng: np.random.Generator | None
    ) -> NDArray[np.float32]:
        """Counts drawn by `rng`, or expected ones without it `(n_cells, n_genes)`."""
        out = np.empty((len(z), len(self.genes)), dtype=np.float32)
        for context, cells in self._parts():
            if rng is None:
                out[cells] = self.decoder.decode(z[cells], context=context, library_size=library[cells])
            else:
                out[cells] = self.decoder.sample(z[cells], context=context, library_size=library[cells], rng=rng)
        return out
