"""Differential expression between two groups of cells, from posterior samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import FitError

from ._decode import decode
from ._generate import posterior_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._encode import Cells

__all__ = ["DifferentialExpression", "differential"]

SCALE = 1e4
SMALLEST = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class DifferentialExpression:
    """What separates group 1 from group 2, by gene `(n_genes,)`.

    Parameters
    ----------
    genes
        Names.
    mean_1, mean_2
        Expected expression per 10,000 counts.
    lfc, lfc_low, lfc_high
        Median of log2((mean_1 + c) / (mean_2 + c)) over pairs of posterior samples, and its central 95 %.
    probability
        Share of the pairs with |lfc| > δ; 1 is sure of a change.
    bayes_factor
        ln of the odds of that share; above 3 is strong.
    significant
        True for the largest set of genes whose mean of 1 − probability, the expected false discoveries, is at most `fdr`.
    fdr, delta
        As asked for.
    """

    genes: tuple[str, ...]
    mean_1: NDArray[np.float64]
    mean_2: NDArray[np.float64]
    lfc: NDArray[np.float64]
    lfc_low: NDArray[np.float64]
    lfc_high: NDArray[np.float64]
    probability: NDArray[np.float64]
    bayes_factor: NDArray[np.float64]
    significant: NDArray[np.bool_]
    fdr: float
    delta: float


def differential(
    first: Cells,
    second: Cells,
    *,
    delta: float = 0.25,
    fdr: float = 0.05,
    pseudocount: float = 0.05,
    n_pairs: int = 2000,
    seed: int = 0,
) -> DifferentialExpression:
    """Compare two groups in every context of either, so that a difference of contexts is none of expression (scVI's "change" mode).

    Parameters
    ----------
    first, second
        Cells of the groups.
    delta
        Smallest |log2 fold change| that counts.
    fdr
        Expected share of false discoveries among the significant genes.
    pseudocount
        c, per 10,000 counts.
    n_pairs
        Pairs of posterior samples, shared among the contexts.
    seed
        Draws them.

    Raises
    ------
    FitError
        If the likelihood is Gaussian, which has no rates.
    """
    fitted = first.fitted
    if fitted.architecture.likelihood == "gaussian":
        problem = "A Gaussian of log1p values has no expression rates to compare."
        raise FitError(problem, cure="Fit with likelihood='nb'.")
    rng = np.random.default_rng((9, seed))
    codes = np.unique(np.concatenate([first.codes.context[first.rows], second.codes.context[second.rows]]))
    share = -(-n_pairs // len(codes))
    sides = []
    for cells in (first, second):
        z = posterior_samples(cells, 1, seed=seed)[0]
        parts = []
        for code in codes:
            picked = z[rng.integers(len(z), size=share), : fitted.architecture.n_latent]
            parts.append(decode(fitted, picked, context=fitted.contexts[int(code)], library_size=SCALE))
        sides.append(np.concatenate(parts).astype(np.float64))
    ratio = np.log2((sides[0] + pseudocount) / (sides[1] + pseudocount))
    probability = (np.abs(ratio) > delta).mean(axis=0)
    bounded = np.clip(probability, 1 / (2 * len(ratio)), 1 - 1 / (2 * len(ratio)))
    order = np.argsort(-probability, kind="stable")
    expected = np.cumsum(1 - probability[order]) / np.arange(1, len(order) + 1)
    significant = np.zeros(len(order), dtype=bool)
    significant[order[: int((expected <= fdr).sum())]] = True
    low, middle, high = np.quantile(ratio, [0.025, 0.5, 0.975], axis=0)
    return DifferentialExpression(
        genes=fitted.genes,
        mean_1=sides[0].mean(axis=0),
        mean_2=sides[1].mean(axis=0),
        lfc=middle,
        lfc_low=low,
        lfc_high=high,
        probability=probability,
        bayes_factor=np.log(bounded) - np.log1p(-bounded),
        significant=significant,
        fdr=fdr,
        delta=delta,
    )
