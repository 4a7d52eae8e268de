"""What a combination does beyond the sum of its genes, on the same control cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import FitError
from perturbridge.values import PerturbationName

from ._predict import chosen_controls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Alignment

    from ._cells import Placed
    from ._fitted import Fitted
    from ._predict import Request

__all__ = ["Synergy", "synergy"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Synergy:
    """Δz_AB − Σ_{a ∈ AB} Δz_a of control cells.

    Parameters
    ----------
    combination
        Which.
    controls
        Row of each control cell in the screen `(n_cells,)`.
    delta
        `(n_cells, n_dims)`, units of the latent.
    size
        Norm of its mean over cells.
    error
        √ of the summed squared errors of its terms: the squared standard error of the mean displacement where a term was measured, the mean
        squared held-out error where it is predicted.
    measured
        Terms that were measured, the others being predicted.
    """

    combination: PerturbationName
    controls: NDArray[np.int64]
    delta: NDArray[np.float32]
    size: float
    error: float
    measured: tuple[str, ...]


def synergy(fitted: Fitted, name: PerturbationName, request: Request, *, alignment: Alignment | None) -> Synergy:
    """Take each term from the alignment where it was measured, else from the model; see `ResponseModel.synergy`."""
    if len(name.genes) < 2:
        problem = f"Perturbation {str(name)!r} has {len(name.genes)} gene."
        raise FitError(problem, cure="Ask for a combination, such as 'KRAS+MYC'.")
    if alignment is not None:
        alignment.require_split(fitted.frame.split_hash)
    chosen = chosen_controls(fitted, request)
    known = {} if alignment is None else {each: i for i, each in enumerate(alignment.perturbations)}
    terms = [name, *(PerturbationName((gene,)) for gene in name.genes)]
    delta, variance, measured = np.zeros(chosen.x.shape), 0.0, []
    predicted = float((fitted.errors**2).mean())
    for sign, term in zip((1.0, *(-1.0,) * len(name.genes)), terms, strict=True):
        if alignment is not None and term in known:
            delta += sign * _aligned(alignment, known[term], chosen)
            variance += float(np.nan_to_num(alignment.reports[known[term]].noise))
            measured.append(str(term))
        elif term.is_single:
            delta += sign * fitted.part_of_combinations(term.genes[0], chosen.x, chosen.strata)
            variance += predicted
        else:
            delta += sign * fitted.displacement([term], chosen.x, chosen.strata)[0]
            variance += predicted
    return Synergy(
        combination=name,
        controls=request.controls.cells[chosen.rows],
        delta=delta.astype(np.float32),
        size=float(np.linalg.norm(delta.mean(axis=0))),
        error=float(np.sqrt(variance)),
        measured=tuple(measured),
    )


def _aligned(alignment: Alignment, row: int, cells: Placed) -> NDArray[np.float64]:
    out = np.empty(cells.x.shape)
    for s in np.unique(cells.strata):
        inside = cells.strata == s
        out[inside] = alignment.move(cells.x[inside], alignment.displacements[row][s], int(s))
    return out
