"""Ways to pair controls with perturbed cells; each is one file and one line here."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ._bures import solve_bures
from ._pot import solve_emd, solve_partial, solve_unbalanced
from ._problem import Problem, Solution, Solver, SolverRecord
from ._sinkhorn import solve_sinkhorn

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SOLVERS", "Problem", "Solution", "Solver", "SolverRecord"]

SOLVERS: Mapping[str, SolverRecord] = MappingProxyType(
    {
        "sinkhorn": SolverRecord(solve_sinkhorn, debiased=True),
        "bures": SolverRecord(solve_bures, debiased=False),
        "emd": SolverRecord(solve_emd, debiased=False),
        "unbalanced": SolverRecord(solve_unbalanced, debiased=True),
        "partial": SolverRecord(solve_partial, debiased=False),
        "raw": SolverRecord(solve_sinkhorn, debiased=False, shrunk=False),
    }
)
