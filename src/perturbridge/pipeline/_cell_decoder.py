"""The decoder of a latent model, for coordinates that a repair has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from perturbridge.latent import LatentModel
    from perturbridge.values import Labels, Latent

__all__ = ["LatentDecoder", "way_back"]

_MOST_LOST = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class LatentDecoder:
    """From coordinates of the aligned latent to counts.

    Parameters
    ----------
    model
        Whose decoder it is.
    back
        For each context the affine map from repaired to the model's own coordinates: a matrix `(n_dims + 1, n_dims)` whose last row is
        added; empty where the latent was not repaired.
    """

    model: LatentModel
    back: Mapping[str, NDArray[np.float64]]

    @property
    def genes(self) -> tuple[str, ...]:
        """Columns of what it returns."""
        return self.model.fitted_.genes

    def _own(self, z: NDArray[np.float32], context: str | None) -> NDArray[np.float32]:
        if not self.back:
            return np.asarray(z, dtype=np.float32)
        matrix = self.back["" if context is None else context]
        return np.asarray(np.asarray(z, dtype=np.float64) @ matrix[:-1] + matrix[-1], dtype=np.float32)

    def taken_back(self, z: NDArray[np.float32], contexts: Sequence[str]) -> NDArray[np.float64]:
        """Coordinates of the encoder for cells of these contexts, one each `(n_cells, n_dims)`."""
        out = np.asarray(z, dtype=np.float64).copy()
        names = np.asarray(contexts, dtype=object)
        for name in sorted(set(contexts)):
            rows = np.flatnonzero(names == name)
            out[rows] = self._own(z[rows], name)
        return out

    def _known(self, context: str | None) -> str | None:
        return context if self.model.fitted_.context_column else None

    @property
    def _is_logged(self) -> bool:
        return self.model.architecture.likelihood == "gaussian"

    def decode(
        self, z: NDArray[np.float32], *, context: str | None, library_size: NDArray[np.float64] | float
    ) -> NDArray[np.float32]:
        """Return expected counts at z under a library size `(n_cells, n_genes)`."""
        mean = self.model.decode(self._own(z, context), context=self._known(context), library_size=library_size)
        return self._counts(mean, library_size)

    def sample(
        self,
        z: NDArray[np.float32],
        *,
        context: str | None,
        library_size: NDArray[np.float64] | float,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Draw counts at z under a library size `(n_cells, n_genes)`."""
        from perturbridge.latent import sample_at

        seed = int(rng.integers(2**31))
        own = self._own(z, context)
        drawn = sample_at(self.model, own, context=self._known(context), library_size=library_size, seed=seed)
        return self._counts(drawn, library_size)

    def _counts(self, values: NDArray[np.float32], library_size: NDArray[np.float64] | float) -> NDArray[np.float32]:
        """The Gaussian speaks of log1p of counts per 10,000; the others of counts already."""
        if not self._is_logged:
            return values
        scale = np.broadcast_to(np.asarray(library_size, dtype=np.float64) / 1e4, (len(values),))[:, None]
        return np.asarray(np.expm1(np.maximum(values, 0.0)) * scale, dtype=np.float32)


def way_back(own: Latent, repaired: Latent, context: Labels | None) -> dict[str, NDArray[np.float64]]:
    """For each context the affine map that takes repaired coordinates back to those the decoder knows, by least squares.

    The repairs in closed form are affine within a context, so the map is exact where they are invertible; what erasure projects away
    is replaced by its mean given the rest.

    Parameters
    ----------
    own, repaired
        The same cells in both.
    context
        Of each cell.

    Raises
    ------
    DataError
        If a repair is so far from affine that over half of the spread would be lost.
    """
    codes = np.zeros(own.n_cells, dtype=np.int64) if context is None else context.codes.astype(np.int64)
    names = ("",) if context is None else context.categories
    out: dict[str, NDArray[np.float64]] = {}
    lost, total = 0.0, 0.0
    for code in np.unique(codes[codes >= 0]):
        rows = np.flatnonzero(codes == code)
        left = np.column_stack([repaired.z[rows].astype(np.float64), np.ones(len(rows))])
        right = own.z[rows].astype(np.float64)
        out[names[code]] = np.asarray(np.linalg.lstsq(left, right, rcond=None)[0], dtype=np.float64)
        lost += float(((left @ out[names[code]] - right) ** 2).sum())
        total += float(((right - right.mean(axis=0)) ** 2).sum())
    if lost > _MOST_LOST * total:
        problem = f"Repaired coordinates of latent {own.name!r} cannot be taken back: {lost / total:.0%} of their spread would be lost."
        raise DataError(problem, cure="Train an encoder that takes the context out (perturbridge audit --repair).")
    return out
