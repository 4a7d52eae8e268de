"""Intervals from the residuals of left-out rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import FitError

from ._shrinkage import left_out_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from perturbridge.numerics import LooRidge
    from perturbridge.values import PerturbationName

    from ._problem import Problem
    from ._solve import Solved

__all__ = ["LEVELS", "Radii", "conformal_radii", "interaction_radii", "left_out_residuals", "stratum_of"]

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
# More left-out rows than these only make the quantiles of a stratum dearer.
_MOST_CASES = 400


@dataclass(frozen=True, eq=False, kw_only=True)
class Radii:
    """Half-widths of intervals, for one kind of row.

    Parameters
    ----------
    n_rows
        Left-out rows behind it.
    levels
        Those that so many rows can warrant, ascending.
    by_gene
        Half-width for each gene `(n_levels, n_genes)`, in the unit of Δ.
    spread
        Root mean square of the residuals of each gene `(n_genes,)`.
    profile
        For each level, how many times `spread` holds the whole profile at once `(n_levels,)`.
    """

    n_rows: int
    levels: tuple[float, ...]
    by_gene: NDArray[np.float64]
    spread: NDArray[np.float64]
    profile: NDArray[np.float64]

    @classmethod
    def of(cls, residuals: NDArray[np.float64]) -> Radii:
        """Conformal quantiles: the ⌈(n + 1) · level⌉-th smallest |e| of n left-out rows, for the levels where that is at most n.

        Parameters
        ----------
        residuals
            `(n_rows, n_genes)`.
        """
        size = np.sort(np.abs(residuals), axis=0)
        n = len(size)
        rank = {level: ceil((n + 1) * level - 1e-9) for level in LEVELS}
        levels = tuple(level for level in LEVELS if rank[level] <= n)
        by_gene = np.stack([size[rank[level] - 1] for level in levels]) if levels else size[:0]
        squared = residuals**2
        total = squared.sum(axis=0)
        # A row is measured by the spread of the others, as a new row will be.
        others = np.sqrt(np.maximum(total - squared, 0.0) / max(n - 1, 1))
        ratio = np.divide(np.abs(residuals), others, out=np.zeros_like(others), where=others > 0)
        worst = np.sort(ratio.max(axis=1, initial=0.0))
        return cls(
            n_rows=n,
            levels=levels,
            by_gene=by_gene,
            spread=np.sqrt(total / max(n, 1)),
            profile=np.array([worst[rank[level] - 1] for level in levels], dtype=np.float64),
        )

    def at(self, level: float, *, whole_profile: bool) -> NDArray[np.float64] | None:
        """Half-widths at a level `(n_genes,)`, or None where the rows are too few for it.

        Raises
        ------
        FitError
            If the level is none of `LEVELS`.
        """
        if level not in LEVELS:
            problem = f"Intervals at level {level} were not kept."
            raise FitError(problem, cure=f"Use one of {', '.join(map(str, LEVELS))}.")
        if level not in self.levels:
            return None
        i = self.levels.index(level)
        return np.asarray(self.profile[i] * self.spread if whole_profile else self.by_gene[i])


def stratum_of(name: PerturbationName, known: Iterable[str]) -> str:
    """Return which kind of row this is for a model that knows these genes from other rows."""
    seen = set(known)
    new = sum(gene not in seen for gene in name.genes)
    if name.is_single:
        return "single, gene new" if new else "single, gene seen in combinations"
    return f"combination, {'all genes seen' if not new else 'some genes new' if new < len(name.genes) else 'all genes new'}"


def left_out_residuals(
    problem: Problem, solved: Solved, *, beyond: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """y_i minus what the model fitted without row i, or its group, predicts for it `(n_perturbations, n_genes)`.

    Parameters
    ----------
    problem, solved
        Training rows and the fit.
    beyond
        What of the targets the fit did not see, added to its residuals `(n_perturbations, n_genes)`; default: nothing.
    """
    residuals, steps = np.empty_like(problem.targets), np.empty_like(problem.targets)
    for columns, without, step in left_out_blocks(solved.ridge, solved.penalty, problem.groups):
        residuals[:, columns], steps[:, columns] = without, step
    residuals -= solved.shrinkage.apply(steps)
    return residuals if beyond is None else residuals + beyond


def conformal_radii(
    problem: Problem,
    solved: Solved,
    residuals: NDArray[np.float64],
    *,
    beyond: NDArray[np.float64] | None = None,
) -> dict[str, Radii]:
    """Return half-widths for each kind of row that a prediction can be.

    Without combinations each row is left out alone (or with its group). With them, each row is also left out together with every row
    that has one of its genes, or any of them, so that what is new to a prediction was new to the residuals that gauge it.

    Parameters
    ----------
    problem, solved, beyond
        As in `left_out_residuals`.
    residuals
        What that returned.
    """
    if not problem.design.has_combinations:
        return {"single, gene new": Radii.of(residuals)}
    found: dict[str, list[NDArray[np.float64]]] = {}
    for rows, i, stratum in _cases(problem):
        if len(rows) == 1:
            found.setdefault(stratum, []).append(residuals[i])
        elif len(rows) < len(residuals):
            left = _left_out(solved.ridge, solved, rows)[int(np.searchsorted(rows, i))]
            found.setdefault(stratum, []).append(left if beyond is None else left + beyond[i])
    return {stratum: Radii.of(np.stack(cases)) for stratum, cases in sorted(found.items())}


def interaction_radii(problem: Problem, solved: Solved, effects_delta: NDArray[np.float64]) -> Radii:
    """Half-widths around predicted interactions, from training combinations whose genes were all measured alone.

    The residual of such a combination is what was measured, Δ_AB − Δ_A − Δ_B, less the interaction that a fit without it predicts.
    """
    design = problem.design
    row = {name.genes[0]: i for i, name in enumerate(design.perturbations) if name.is_single}
    usable = [
        i for i, name in enumerate(design.perturbations) if not name.is_single and all(g in row for g in name.genes)
    ]
    residuals = [
        effects_delta[i]
        - effects_delta[[row[g] for g in design.perturbations[i].genes]].sum(axis=0)
        - solved.interaction_left_out(i)
        for i in usable
    ]
    return Radii.of(np.stack(residuals) if residuals else np.zeros((0, effects_delta.shape[1])))


def _left_out(ridge: LooRidge, solved: Solved, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    without = ridge.left_out_together(np.inf, rows)
    return without - solved.shrinkage.apply(without - ridge.left_out_together(solved.penalty, rows))


def _cases(problem: Problem) -> list[tuple[NDArray[np.int64], int, str]]:
    """Rows to leave out, the row to look at, and what kind of row it then is; evenly thinned where there are very many."""
    names = problem.design.perturbations
    rows_of: dict[str, set[int]] = {}
    for i, name in enumerate(names):
        for gene in name.genes:
            rows_of.setdefault(gene, set()).add(i)
    together: Mapping[int, set[int]] = {int(i): set(g.tolist()) for g in problem.groups for i in g}
    cases: dict[str, list[tuple[NDArray[np.int64], int, str]]] = {}
    for i, name in enumerate(names):
        base = together.get(i, {i})
        taken = {frozenset(base)} | {frozenset(base | rows_of[gene]) for gene in name.genes}
        taken.add(frozenset(base.union(*(rows_of[gene] for gene in name.genes))))
        for rows in taken:
            known = {gene for gene in name.genes if rows_of[gene] - rows}
            stratum = stratum_of(name, known)
            cases.setdefault(stratum, []).append((np.array(sorted(rows), dtype=np.int64), i, stratum))
    return [case for found in cases.values() for case in found[:: -(-len(found) // _MOST_CASES)]]
