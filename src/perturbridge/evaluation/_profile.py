"""One side of a comparison over the genes that count, with what several metrics ask of it computed once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Profile", "mean_over_genes", "row_dot"]

# A profile that varies by less than this share of the numbers it was computed from is constant: what is left is float32 rounding.
_FLAT = 1e-6


def row_dot(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ_g x_g y_g of each row."""
    return np.asarray(np.einsum("ij,ij->i", x, y), dtype=np.float64)


def mean_over_genes(values: NDArray[np.float64], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of each row over the genes that count; NaN where none does."""
    n = counted.sum(axis=1)
    total = (values * counted).sum(axis=1)
    out = np.full(len(n), np.nan)
    np.divide(total, n, out=out, where=n > 0)
    return out


class Profile:
    """Rows of values over the genes that count.

    Parameters
    ----------
    values
        `(n_perturbations, n_genes)`.
    counted
        Which genes count, of the same shape.
    less
        What is taken off each row `(n_genes,)` or of the shape of `values`, or None.
    """

    def __init__(
        self, values: NDArray[np.float64], counted: NDArray[np.bool_], *, less: NDArray[np.float64] | None = None
    ) -> None:
        self.counted = counted
        self._values, self._less = values, less

    @cached_property
    def centered(self) -> NDArray[np.float64]:
        """Values less their mean over the genes that count; 0 for the others."""
        values = self._values if self._less is None else self._values - self._less
        out = values - mean_over_genes(values, self.counted)[:, None]
        # NaN in a row where nothing counts must not spread.
        return np.where(self.counted, out, 0.0) if not self.counted.all() else out

    @cached_property
    def norm(self) -> NDArray[np.float64]:
        """Root of the sum of squares around the mean `(n_perturbations,)`."""
        return np.sqrt(row_dot(self.centered, self.centered))

    @cached_property
    def variance(self) -> NDArray[np.float64]:
        """Mean square around the mean; NaN where no gene counts."""
        n = self.counted.sum(axis=1)
        out = np.full(len(n), np.nan)
        np.divide(self.norm**2, n, out=out, where=n > 0)
        return out

    @cached_property
    def is_flat(self) -> NDArray[np.bool_]:
        """Whether a row is constant but for rounding of the numbers it was made from."""
        size = self._size(self._values)
        if self._less is not None:
            size = np.maximum(size, self._size(np.broadcast_to(self._less, self._values.shape)))
        return np.asarray(self.norm <= _FLAT * size, dtype=np.bool_)

    def _size(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sqrt(row_dot(values * self.counted, values))

    def correlation(self, other: Profile) -> NDArray[np.float64]:
        """Pearson correlation over genes; NaN where either side is constant."""
        size = self.norm * other.norm
        out = np.full(len(size), np.nan)
        defined = ~(self.is_flat | other.is_flat) & (size > 0)
        np.divide(row_dot(self.centered, other.centered), size, out=out, where=defined)
        return np.asarray(np.clip(out, -1.0, 1.0), dtype=np.float64)
