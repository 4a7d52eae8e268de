"""What a solver is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import nan
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from perturbridge.transport._kernel import costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import CellMap

__all__ = ["Problem", "Solution", "Solver", "SolverRecord"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """Controls and perturbed cells of one stratum, in centred coordinates.

    Parameters
    ----------
    x, y
        Controls and perturbed cells `(n_controls, n_dims)`, `(n_perturbed, n_dims)`.
    epsilon
        Entropic strength, squared units of the latent.
    self_at_x
        Where the self-map puts the controls `(n_controls, n_dims)`.
    mean_cost
        Mean cost between two controls.
    tolerance, reach, moved_share
        As in the settings.
    diagnosed
        Whether its plan will be looked at; without, a solver may leave it out.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    epsilon: float
    self_at_x: NDArray[Any]
    mean_cost: float
    tolerance: float
    reach: float
    moved_share: float
    diagnosed: bool = True

    @cached_property
    def cost(self) -> NDArray[np.float32]:
        """‖x_i − y_j‖² `(n_controls, n_perturbed)`."""
        return costs(self.x, self.y)

    def part(self, columns: slice) -> Problem:
        """The same problem with some of the perturbed cells, whose costs are not computed again and whose plan is not looked at."""
        fewer = replace(self, y=self.y[columns], diagnosed=False)
        fewer.__dict__["cost"] = np.ascontiguousarray(self.cost[:, columns])
        return fewer


@dataclass(frozen=True, eq=False, kw_only=True)
class Solution:
    """A map and how it came about.

    Parameters
    ----------
    map
        T, for any cell.
    at_x
        T of the controls `(n_controls, n_dims)`.
    converged, status
        Whether the plan can be used, and in words what happened.
    plan
        `(n_controls, n_perturbed)`, or None where the map has none.
    balanced
        Whether both marginals are promised.
    n_iterations, precision, violation
        What it took; NaN where the solver has none.
    """

    map: CellMap
    at_x: NDArray[Any]
    converged: bool
    status: str
    plan: NDArray[Any] | None = None
    balanced: bool = True
    n_iterations: int = 0
    precision: str = ""
    violation: float = nan


class Solver(Protocol):
    """Anything that answers a problem; one file, one line in the table."""

    def __call__(self, problem: Problem, /) -> Solution:
        """Solve."""


@dataclass(frozen=True, eq=False)
class SolverRecord:
    """A line of the table.

    Parameters
    ----------
    solve
        Answers a problem.
    debiased
        Whether the self-map of the controls is subtracted from its map; otherwise the cell itself is.
    shrunk
        Whether its displacements are shrunk by what controls against controls give.
    """

    solve: Solver
    debiased: bool
    shrunk: bool = True
