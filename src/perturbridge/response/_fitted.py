"""What a fitted `ResponseModel` knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ._status import statuses
from ._targets import joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Alignment, PerturbationName

    from ._bands import Bands
    from ._gate import GatedHead
    from ._ladder import Ladder
    from ._prototypes import Prototypes
    from ._ridge import RowRidge

__all__ = ["Fitted"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """Δz(P, x) = Σ_k A_k(x) Σ_i W_i(P) Δz_i(c_k) + ρ R(x, base, embedding).

    Parameters
    ----------
    frame
        The alignment without its displacements: contexts, centres, strata.
    ridge
        W.
    prototypes
        A and c.
    displacements
        Δz of each training perturbation at the prototypes `(n_rows, n_prototypes, n_dims)`, float32.
    reaches
        How far from its nearest training gene a gene of each source may lie.
    folds
        Fold of each training row `(n_rows,)`.
    held_out
        Weights of the training rows in the held-out prediction of each `(n_parts, n_rows, n_rows)`.
    errors
        Root mean square error over cells of each training row when held out, units of the latent `(n_rows,)`.
    head
        R and ρ, or None where there is no residual or it did not beat its base.
    ladder
        Of the held-out rows.
    bands
        Half-widths of predicted profiles, or None before `calibrate`.
    report
        Plain JSON types.
    """

    frame: Alignment
    ridge: RowRidge
    prototypes: Prototypes
    displacements: NDArray[np.float32]
    reaches: tuple[float, ...]
    folds: NDArray[np.int64]
    held_out: NDArray[np.float64]
    errors: NDArray[np.float64]
    head: GatedHead | None
    ladder: Ladder
    bands: Bands | None
    report: dict[str, Any]

    @property
    def names(self) -> tuple[PerturbationName, ...]:
        """Training rows."""
        return self.ridge.names

    def displacement(
        self, names: Sequence[PerturbationName], x: NDArray[np.float64], strata: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Δz of perturbations at cells in centred coordinates `(n_asked, n_cells, n_dims)`."""
        out = self._base(self.ridge.row_weights(names), x, strata)
        if self.head is not None:
            for i, name in enumerate(names):
                out[i] += self.head.residual(name, x, out[i])
        return out

    def held_out_displacement(self, row: int, x: NDArray[np.float64], strata: NDArray[np.int64]) -> NDArray[np.float32]:
        """Δz of a training row as if its fold had not been seen `(n_cells, n_dims)`."""
        out: NDArray[np.float32] = self._base(self.held_out[:, [row]], x, strata)[0]
        if self.head is not None:
            out += self.head.residual(self.names[row], x, out, fold=int(self.folds[row]))
        return out

    def part_of_combinations(self, gene: str, x: NDArray[np.float64], strata: NDArray[np.int64]) -> NDArray[np.float32]:
        """Δz of a gene as it enters the base of combinations: measured, or else predicted `(n_cells, n_dims)`."""
        return np.asarray(self._base(self.ridge.part_weights(gene), x, strata)[0])

    def _base(
        self, weights: NDArray[np.float64], x: NDArray[np.float64], strata: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        at_prototypes = joined(weights, self.displacements, self.prototypes)
        read = self.prototypes.weights(x, strata)
        return np.stack([read @ each for each in at_prototypes]).astype(np.float32)

    def statuses(self, names: Sequence[PerturbationName]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Status and detail of each perturbation, in the words of `Prediction`."""
        design = self.ridge.design
        return statuses(
            names,
            space=self.ridge.space,
            anchors=design.genes,
            reaches=self.reaches,
            measured=tuple(design.singles),
        )
