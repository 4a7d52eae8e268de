"""Principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import FitError
from perturbridge.latent._rows import choose_rows

from ._values import ReferenceStart, as_latent

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import Latent, Screen, Split

__all__ = ["PcaModel"]


class PcaModel:
    """z = (y − mean) V: the first principal components of log1p counts per 10,000 over the training rows, not scaled by gene.

    Parameters
    ----------
    n_latent
        Components.
    seed
        Starts the iteration; the result does not depend on it beyond rounding.
    """

    def __init__(self, n_latent: int = 16, *, seed: int = 0) -> None:
        self.n_latent = n_latent
        self.seed = seed
        self._start: ReferenceStart | None = None
        self._mean: NDArray[np.float64] = np.zeros(0)
        self._axes: NDArray[np.float64] = np.zeros((0, 0))

    def fit(
        self, screen: Screen, *, split: Split | None = None, fold: str | None = None, rows: ArrayLike | None = None
    ) -> PcaModel:
        """Learn from controls and training perturbations; see `LatentModel.fit`.

        Parameters
        ----------
        screen
            Cells.
        split, fold, rows
            Which of them.

        Raises
        ------
        FitError
            If there are no more cells or genes than components.
        """
        # Takes a third of a second to load, and whoever fits a VAE has no use for it.
        from scipy import sparse
        from scipy.sparse.linalg import LinearOperator, svds

        chosen = choose_rows(screen, split=split, fold=fold, rows=rows, validation=0.0)
        start = ReferenceStart(screen, chosen)
        if self.n_latent >= min(len(chosen.seen), screen.n_genes):
            problem = f"{self.n_latent} components were asked of {len(chosen.seen)} cells and {screen.n_genes} genes."
            raise FitError(problem, cure="Ask for fewer.")
        parts = [sparse.csr_array(values.numpy()) for values in start.values(screen, chosen.seen)]
        matrix = sparse.csr_array(sparse.vstack(parts))
        mean = np.asarray(matrix.mean(axis=0, dtype=np.float64)).ravel()
        ones = np.ones(matrix.shape[0])

        def forward(v: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(matrix @ v.ravel() - ones * (mean @ v.ravel()))

        def backward(u: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(matrix.T @ u.ravel() - mean * u.sum())

        operator = LinearOperator(matrix.shape, matvec=forward, rmatvec=backward, dtype=np.float64)
        first = np.random.default_rng(self.seed).normal(size=min(matrix.shape))
        _, values, axes = svds(operator, k=self.n_latent, v0=first)
        axes = axes[np.argsort(-values)].T
        # The sign of a component is free: its largest loading is positive.
        axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(self.n_latent)])
        self._start, self._mean, self._axes = start, mean, axes
        return self

    def encode(self, screen: Screen) -> Latent:
        """Coordinates of every cell, genes matched by name.

        Parameters
        ----------
        screen
            Cells, of this or another screen.

        Returns
        -------
        Latent
            `(n_cells, n_latent)`.

        Raises
        ------
        FitError
            If nothing was fitted, or genes or values do not match.
        """
        if self._start is None:
            problem = "PCA is not fitted."
            raise FitError(problem, cure="Call fit(screen) first.")
        rows = np.arange(screen.n_cells)
        parts = [(y.double().numpy() - self._mean) @ self._axes for y in self._start.values(screen, rows)]
        z = np.concatenate(parts).astype(np.float32)
        return as_latent(screen, self._start, z, name="pca", made_by=f"PCA, {self.n_latent} components of log1p CP10k")
