"""From measured effects to a fitted state: what `EffectModel.fit` does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._rng import as_rng

from ._design import Design
from ._fitted import Fitted
from ._noise import row_weights
from ._search import Choice, Problem, choose_kernel
from ._solve import Solved, solve
from ._source_kernel import GeneFeatures, SourceKernel, require_overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perturbridge.values import Effects, GeneEmbedding

    from ._settings import Settings

__all__ = ["fit"]

# More rows and targets than these only make the choice of kernels dearer: it is made on a sample and a random projection of them.
_SEARCH_ROWS, _SEARCH_TARGETS = 1000, 256
# The exact kernel grows with the square of the genes; above this many, a sample of them spans it.
_MAX_ANCHORS = 3000


def fit(effects: Effects, sources: Sequence[GeneEmbedding], settings: Settings, *, split_hash: str) -> Fitted:
    """Choose kernels, weights and α on the training rows, then solve once.

    Raises
    ------
    EmbeddingError
        If a source has no vector for any perturbed gene.
    """
    problem = Problem(design=Design.of(effects.perturbations), targets=effects.delta, weights=row_weights(effects))
    genes = problem.design.genes
    for source in sources:
        require_overlap(source, genes)
    rng = as_rng(settings.seed)
    choice = _choose(problem, sources, settings, rng=rng)
    anchors = genes
    if not problem.design.has_combinations and len(genes) > _MAX_ANCHORS:
        anchors = tuple(genes[i] for i in np.sort(rng.choice(len(genes), _MAX_ANCHORS, replace=False)))
    weight_of = dict(zip(genes, problem.gene_weights(), strict=True))
    anchor_weights = np.array([weight_of[gene] for gene in anchors])
    kinds = [settings.kinds()[i] for i in choice.candidates[: len(sources)]]
    kernels = tuple(
        SourceKernel(features=GeneFeatures.of(source, anchors, anchor_weights), kind=kind, bandwidth=bandwidth)
        for source, (kind, bandwidth) in zip(sources, kinds, strict=True)
    )
    solved = solve(problem, kernels, choice, alphas=settings.alphas, is_exact=len(anchors) == len(genes))
    return Fitted(
        genes=effects.genes,
        anchors=anchors,
        kernels=kernels,
        shares=choice.shares[: len(sources)],
        intercept=solved.intercept,
        coefficients=solved.coefficients,
        known=genes,
        offsets=solved.offsets,
        offsets_in_singles=problem.design.has_combinations,
        trained_on=effects.perturbations,
        split_hash=split_hash,
        report=_report(problem, kernels, choice, solved=solved, n_anchors=len(anchors)),
    )


def _choose(
    problem: Problem, sources: Sequence[GeneEmbedding], settings: Settings, *, rng: np.random.Generator
) -> Choice:
    """Choose kernels and shares, on a sample of the rows and a projection of the targets where there are very many."""
    small = _smaller(problem, rng)
    candidates, gene_weights = [], small.gene_weights()
    for source in sources:
        features = GeneFeatures.of(source, small.design.genes, gene_weights)
        candidates.append(
            [
                SourceKernel(features=features, kind=kind, bandwidth=bandwidth).anchor_kernel()
                for kind, bandwidth in settings.kinds()
            ]
        )
    if small.design.has_combinations:
        # A gene's own effect, shared by every perturbation of that gene: what embeddings do not know but other rows do.
        candidates.append([np.eye(len(small.design.genes))])
    return choose_kernel(small, candidates, settings.alphas)


def _smaller(problem: Problem, rng: np.random.Generator) -> Problem:
    n, n_targets = problem.targets.shape
    if n > _SEARCH_ROWS:
        rows = np.sort(rng.choice(n, _SEARCH_ROWS, replace=False))
        problem = Problem(
            design=Design.of([problem.design.perturbations[i] for i in rows]),
            targets=problem.targets[rows],
            weights=None if problem.weights is None else problem.weights[rows],
        )
    if n_targets > _SEARCH_TARGETS:
        # A Gaussian projection keeps squared norms in expectation, the same one for every α and kernel.
        directions = rng.standard_normal((n_targets, _SEARCH_TARGETS)) / np.sqrt(_SEARCH_TARGETS)
        problem = replace(problem, targets=problem.targets @ directions)
    return problem


def _report(
    problem: Problem, kernels: tuple[SourceKernel, ...], choice: Choice, *, solved: Solved, n_anchors: int
) -> dict[str, Any]:
    """Lay out what was chosen, in plain JSON types."""
    design = problem.design
    combinations = int((design.n_genes_each > 1).sum())
    mean_only = not np.isfinite(solved.alpha) or solved.shrinkage.factor == 0
    return {
        "alpha": None if np.isinf(solved.alpha) else solved.alpha,
        "loo_r2": solved.shrinkage.loo_r2,
        "shrink": solved.shrinkage.factor,
        "is_mean_only": bool(mean_only),
        "n_perturbations": len(design.perturbations),
        "n_combinations": combinations,
        "combinations": "gene effects fitted jointly"
        if combinations
        else "sum of measured or predicted single effects",
        "own_effect_share": choice.shares[len(kernels)] if combinations else 0.0,
        "row_weights": "equal" if problem.weights is None else "1 / (spread + sampling variance)",
        "n_anchors": n_anchors,
        "sources": [
            _source_report(kernel, share, design) for kernel, share in zip(kernels, choice.shares, strict=False)
        ],
    }


def _source_report(kernel: SourceKernel, share: float, design: Design) -> dict[str, Any]:
    found = kernel.features.source.locate(design.genes).found
    missing = [gene for gene, there in zip(design.genes, found, strict=True) if not there]
    return {
        "name": kernel.features.source.name,
        "share": share,
        "kernel": kernel.kind,
        "bandwidth": kernel.bandwidth if kernel.kind == "rbf" else None,
        "n_genes": len(design.genes),
        "n_with_vector": int(found.sum()),
        "missing": missing[:20],
    }
