"""What a combination does beyond its parts, cell by cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError
from perturbridge.values import as_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Alignment, PerturbationName

__all__ = ["Synergy", "synergy"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Synergy:
    """Result of `synergy`.

    Parameters
    ----------
    combination
        Which.
    values
        Δ_AB − Δ_A − Δ_B of each control cell, units of the latent `(n_cells, n_dims)`.
    size
        Root mean square of `values`.
    noise
        Squared standard error of their mean, summed over dimensions: that of the three mean displacements together.
    beyond_noise
        max(0, 1 − noise / ‖mean of values‖²), in [0, 1]: 0 where the parts explain the combination as far as can be told.
    """

    combination: PerturbationName
    values: NDArray[np.float64]
    size: float
    noise: float
    beyond_noise: float


def synergy(
    alignment: Alignment,
    parts: tuple[str | PerturbationName, str | PerturbationName],
    z: NDArray[np.floating],
    *,
    combination: str | PerturbationName | None = None,
    context: Sequence[str] | str | None = None,
    state: Sequence[str] | str | None = None,
) -> Synergy:
    """S(x) = Δ_AB(x) − Δ_A(x) − Δ_B(x), all three on the same control cells and through their own plans with the controls.

    Nothing is paired twice: no plan leads from A to AB, whose errors would add to those of the plan to A. The noise counts that of the
    controls three times where it enters once, and is too large by that much.

    Parameters
    ----------
    alignment
        Knows A, B and their combination.
    parts
        A and B.
    z
        Coordinates of control cells `(n_cells, n_dims)`.
    combination
        Default the genes of both.
    context, state
        As in `Alignment.displacement`.

    Returns
    -------
    Synergy
        By cell, with what its mean owes to noise.

    Raises
    ------
    DataError
        If one of the three was not aligned, there are no cells, or A and B are the same.
    """
    first, second = as_names(parts)
    joint = as_names([combination if combination is not None else "+".join([*first.genes, *second.genes])])[0]
    if not len(z):
        problem = f"Synergy of {str(first)!r} and {str(second)!r} on no cells."
        raise DataError(problem, cure="Pass control cells.")
    both, *alone = (
        alignment.displacement(z, name, context=context, state=state).astype(np.float64)
        for name in (joint, first, second)
    )
    values = both - alone[0] - alone[1]
    noise = sum(alignment.report(name).noise for name in (joint, first, second))
    length = float((values.mean(axis=0) ** 2).sum())
    return Synergy(
        combination=joint,
        values=values,
        size=float(np.sqrt((values**2).sum(axis=1).mean())),
        noise=float(noise),
        beyond_noise=max(0.0, 1.0 - noise / length) if length > 0 else 0.0,
    )
