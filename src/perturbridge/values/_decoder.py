"""What turns coordinates back into expression, whoever fitted it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Decoder"]


class Decoder(Protocol):
    """From coordinates z of cells of one context to counts of genes."""

    @property
    def genes(self) -> tuple[str, ...]:
        """Columns of what it returns."""

    def decode(
        self, z: NDArray[np.float32], *, context: str | None, library_size: NDArray[np.float64] | float
    ) -> NDArray[np.float32]:
        """Return expected counts at z under a library size `(n_cells, n_genes)`."""

    def sample(
        self,
        z: NDArray[np.float32],
        *,
        context: str | None,
        library_size: NDArray[np.float64] | float,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Draw counts at z under a library size `(n_cells, n_genes)`."""
