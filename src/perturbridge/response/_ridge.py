"""The base: ridge from embeddings to displacements, written as the weight of every training row in a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ._design import Design
from ._genes import GeneSpace
from ._search import Task, choose_shares, left_out, try_kernel, unit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import GeneEmbedding, PerturbationName

    from ._search import Trial
    from ._settings import ResponseSettings

__all__ = ["RowRidge", "fit_ridge"]


@dataclass(frozen=True, eq=False, kw_only=True)
class RowRidge:
    """W(g) = m + f · (b + k(g, rows) C − m) for each part of the targets: a prediction is Σ_i W_i · displacement of training row i.

    Writing it in weights of rows keeps everything that was learnt `(n_rows, n_rows)`, whatever the number of prototypes, and lets the same
    numbers serve cells, means and prototypes.

    Parameters
    ----------
    names
        Training rows.
    space
        Features of genes.
    weights
        Of the rows, mean 1 `(n_rows,)`.
    alphas
        Penalty of each part, in units of the mean eigenvalue.
    certainty
        f of each part, in [0, 1]; 0 leaves the weighted mean m.
    intercepts
        b of each part `(n_parts, n_rows)`.
    coefficients
        C of each part `(n_parts, n_rows, n_rows)`.
    """

    names: tuple[PerturbationName, ...]
    space: GeneSpace
    weights: NDArray[np.float64]
    alphas: tuple[float, ...]
    certainty: tuple[float, ...]
    intercepts: NDArray[np.float64]
    coefficients: NDArray[np.float64]

    @cached_property
    def design(self) -> Design:
        """Training rows over their genes."""
        return Design.of(self.names)

    @cached_property
    def features(self) -> NDArray[np.float64]:
        """Of the rows, summed over their genes `(n_rows, n_all_dims)`."""
        return self.design.targets @ self.space.features(self.design.genes)

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """m, weight of each row in the weighted mean effect of one gene `(n_rows,)`."""
        return _mean_weights(self.weights, self.design.n_genes_each)

    def gene_weights(self, genes: Sequence[str]) -> NDArray[np.float64]:
        """W of each gene as if none of it had been seen `(n_parts, n_asked, n_rows)`."""
        kernel = self.space.features(genes) @ self.features.T
        found = self.intercepts[:, None, :] + kernel @ self.coefficients
        return self._shrunk(found)

    def _shrunk(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        factor = np.array(self.certainty)[:, None, None]
        return np.asarray(self.mean + factor * (found - self.mean))

    def row_weights(self, names: Sequence[PerturbationName]) -> NDArray[np.float64]:
        """W of each perturbation `(n_parts, n_asked, n_rows)`.

        A single is predicted, training row or not. A combination is the sum of its genes, each as it was measured alone or else predicted.
        """
        design = Design.of(names)
        summed = design.targets @ self.gene_weights(design.genes)
        for i, name in enumerate(names):
            if not name.is_single:
                summed[:, i] = sum(self.part_weights(gene)[:, 0] for gene in name.genes)
        return np.asarray(summed)

    def part_weights(self, gene: str) -> NDArray[np.float64]:
        """W of a gene as it enters a combination: its own row where it was measured alone, else predicted `(n_parts, 1, n_rows)`."""
        if gene not in self.design.singles:
            return self.gene_weights([gene])
        out = np.zeros((len(self.alphas), 1, len(self.names)))
        out[:, :, self.design.singles[gene]] = 1.0
        return out

    def left_out_weights(self) -> NDArray[np.float64]:
        """W of each training row by a fit without it and without every row of its genes; singles of a combination's genes still count as measured.

        Returns
        -------
        NDArray
            `(n_parts, n_rows, n_rows)`, 0 on the diagonal.
        """
        n, design = len(self.names), self.design
        task = Task(design=design, parts=(), weights=self.weights, alphas=())
        ridge = task.ridge(self.kernel)
        unit, eye = unit_of(ridge), np.eye(n)
        plain = eye - left_out(task, ridge, np.inf)
        found = np.stack(
            [
                plain + f * (eye - left_out(task, ridge, alpha * unit) - plain)
                for alpha, f in zip(self.alphas, self.certainty, strict=True)
            ]
        )
        for i, name in enumerate(self.names):
            measured = [gene for gene in name.genes if gene in design.singles]
            if not name.is_single and measured:
                found[:, i] = self._rest(i, [gene for gene in name.genes if gene not in design.singles], unit=unit)
                found[:, i, [design.singles[gene] for gene in measured]] += 1.0
        return found

    @cached_property
    def kernel(self) -> NDArray[np.float64]:
        """Between rows `(n_rows, n_rows)`."""
        return self.features @ self.features.T

    def _rest(self, row: int, genes: list[str], *, unit: float) -> NDArray[np.float64]:
        """Sum of W over genes by a fit without the relatives of a row `(n_parts, n_rows)`."""
        n = len(self.names)
        out = np.zeros((len(self.alphas), n))
        kept = np.setdiff1d(np.arange(n), self.design.relatives[row])
        if not genes or not len(kept):
            return out
        v, w = self.design.n_genes_each[kept], self.weights[kept]
        mean = _mean_weights(w, v)
        toward = self.space.features(genes) @ self.features[kept].T
        for part, (alpha, factor) in enumerate(zip(self.alphas, self.certainty, strict=True)):
            system = np.zeros((len(kept) + 1,) * 2)
            system[:-1, :-1] = self.kernel[np.ix_(kept, kept)] + np.diag(alpha * unit / w)
            system[:-1, -1] = system[-1, :-1] = v
            asked = np.append(toward.sum(axis=0), len(genes))
            weights = np.linalg.solve(system, asked)[:-1]
            out[part, kept] = len(genes) * mean + factor * (weights - len(genes) * mean)
        return out


def _kernel(design: Design, features: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = design.targets @ features
    return np.asarray(rows @ rows.T)


def _mean_weights(weights: NDArray[np.float64], multiplier: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return w v / Σ w v²."""
    return np.asarray(weights * multiplier / (weights * multiplier**2).sum())


def fit_ridge(
    names: Sequence[PerturbationName],
    parts: Sequence[NDArray[np.float64]],
    sources: Sequence[GeneEmbedding],
    *,
    weights: NDArray[np.float64],
    settings: ResponseSettings,
) -> tuple[RowRidge, Trial]:
    """Choose shares of the sources and a penalty for each part by exact leave-one-out, and solve.

    Parameters
    ----------
    names
        Training rows.
    parts
        Targets of each part `(n_rows, n_columns of the part)`.
    sources
        Embeddings.
    weights
        Of the rows `(n_rows,)`.
    settings
        Penalties and shares to try.
    """
    design = Design.of(names)
    w = weights / weights.mean()
    in_mean = design.targets.T @ (w * design.n_genes_each)
    task = Task(design=design, parts=tuple(parts), weights=w, alphas=settings.alphas)

    def space_of(keep_lengths: Sequence[bool]) -> GeneSpace:
        return GeneSpace.of(sources, design.genes, in_mean, keep_lengths=keep_lengths)

    tried = [
        [try_kernel(task, _kernel(design, block)) for block in space_of((keep,) * len(sources)).blocks(design.genes)]
        for keep in (False, True)
    ]
    keep_lengths = [kept.error < unit.error for unit, kept in zip(*tried, strict=True)]
    alone = [tried[keep][s] for s, keep in enumerate(keep_lengths)]
    shares, trial = choose_shares(task, alone, settings.shares)
    space = space_of(keep_lengths).with_shares(shares)
    ridge = Task(design=design, parts=(), weights=w, alphas=()).ridge(trial.kernel)
    solved = [ridge.solve(alpha * unit_of(ridge)) for alpha in trial.alphas]
    fitted = RowRidge(
        names=tuple(names),
        space=space,
        weights=w,
        alphas=trial.alphas,
        certainty=tuple(trial.certainty(part) for part in range(len(trial.alphas))),
        intercepts=np.stack([intercept for _, intercept in solved]),
        coefficients=np.stack([coefficients for coefficients, _ in solved]),
    )
    return fitted, trial
