"""Rows to learn from, and the same problem made smaller for the search."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import LooRidge

from ._design import Design

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from perturbridge.values import PerturbationName

__all__ = ["Problem", "find_groups", "shorten_targets", "take_rows"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """Rows to learn from.

    Parameters
    ----------
    design
        Perturbations and their genes.
    targets
        Δ, or a projection of it that keeps squared distances `(n_perturbations, n_targets)`.
    weights
        Weight of each row `(n_perturbations,)`, or None for equal ones.
    groups
        Rows that are left out together; a row in none is left out alone.
    """

    design: Design
    targets: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    groups: tuple[NDArray[np.int64], ...] = ()

    def gene_weights(self) -> NDArray[np.float64]:
        """Weight of each gene in the mean of the rows, Σ_{P ∋ g} w_P n_P up to scale `(n_targeted,)`."""
        rows = self.design.n_genes_each if self.weights is None else self.weights * self.design.n_genes_each
        return self.design.to_genes(rows)

    def ridge(self, kernel: NDArray[np.float64]) -> LooRidge:
        """Decompose a kernel between perturbations `(n_perturbations, n_perturbations)`; the intercept counts genes."""
        return LooRidge.from_kernel(kernel, self.targets, weights=self.weights, multiplier=self.design.n_genes_each)

    @cached_property
    def _relatives(self) -> tuple[NDArray[np.int64], ...]:
        """For each row all rows that target one of its genes, itself among them."""
        touching = (self.design.targets @ self.design.targets.T).tocsr()
        return tuple(np.sort(touching.indices[a:b]).astype(np.int64) for a, b in pairwise(touching.indptr))

    def new_gene_errors(self, ridge: LooRidge, penalty: float) -> NDArray[np.float64]:
        """w_i ‖e_i‖² of each row when every row with one of its genes is left out `(n_perturbations,)`.

        Rows whose relatives are all rows there are have nothing to be predicted from, and count as predicted by 0.
        """
        out = np.empty(len(self.targets))
        for i, rows in enumerate(self._relatives):
            if len(rows) < len(self.targets):
                left = ridge.left_out_together(penalty, rows)[int(np.searchsorted(rows, i))]
            else:
                left = self.targets[i]
            out[i] = ridge.root_weights[i] ** 2 * float(left @ left)
        return out


def find_groups(design: Design, labels: Mapping[str, str]) -> tuple[NDArray[np.int64], ...]:
    """Return the rows whose genes bear the same labels; a gene without one is its own label.

    Two guides of a gene, two names of one vector or two paralogues would otherwise tell each other's answer in leave-one-out.
    """
    members: dict[tuple[str, ...], list[int]] = {}
    for i, name in enumerate(design.perturbations):
        members.setdefault(_labels_of(name, labels), []).append(i)
    return tuple(np.array(rows, dtype=np.int64) for rows in members.values() if len(rows) > 1)


def _labels_of(name: PerturbationName, labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted({labels.get(gene, gene) for gene in name.genes}))


def take_rows(problem: Problem, n: int, *, rng: np.random.Generator) -> Problem:
    """Draw at most `n` rows."""
    if len(problem.targets) <= n:
        return problem
    rows = np.sort(rng.choice(len(problem.targets), n, replace=False))
    position = np.full(len(problem.targets), -1)
    position[rows] = np.arange(n)
    groups = (position[group][position[group] >= 0] for group in problem.groups)
    return Problem(
        design=Design.of([problem.design.perturbations[i] for i in rows]),
        targets=problem.targets[rows],
        weights=None if problem.weights is None else problem.weights[rows],
        groups=tuple(group for group in groups if len(group) > 1),
    )


def shorten_targets(problem: Problem, n: int, *, rng: np.random.Generator) -> Problem:
    """Replace targets by no more columns than rows with the same inner products, and these by `n` random combinations if they are more.

    Left-out errors depend on the targets through their Gram matrix alone, so the first step is exact and nothing after it knows how
    many genes were measured. The second keeps squared norms in expectation, by the same combinations for every kernel and α.
    """
    targets = problem.targets
    if targets.shape[1] > len(targets):
        values, vectors = np.linalg.eigh(targets @ targets.T)
        targets = vectors * np.sqrt(np.maximum(values, 0.0))
    if targets.shape[1] > n:
        targets = targets @ (rng.standard_normal((targets.shape[1], n)) / np.sqrt(n))
    return problem if targets is problem.targets else replace(problem, targets=targets)
