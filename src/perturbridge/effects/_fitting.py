"""From measured effects to a fitted state: what `EffectModel.fit` does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._rng import as_rng
from perturbridge.errors import FitError

from ._design import Design
from ._fitted import Fitted
from ._interactions import INTERACTIONS, choose_interactions, interaction_kernels
from ._intervals import conformal_radii, interaction_radii, left_out_residuals
from ._noise import row_weights
from ._problem import Problem, find_groups, shorten_targets, take_rows
from ._search import choose_kernel
from ._shrinkage import leading_directions
from ._solve import Mix, solve
from ._source_kernel import GeneFeatures, SourceKernel, require_overlap
from ._summary import report_of
from ._support import reach_of
from ._target_gene import fit_target_gene, hide_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

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
    problem, beyond = _lay_out(effects, sources, settings)
    genes = problem.design.genes
    rng = as_rng(settings.seed)
    kinds, mix = _choose(problem, sources, settings, rng=rng)
    anchors = genes
    if not problem.design.has_combinations and len(genes) > _MAX_ANCHORS:
        anchors = tuple(genes[i] for i in np.sort(rng.choice(len(genes), _MAX_ANCHORS, replace=False)))
    weight_of = dict(zip(genes, problem.gene_weights(), strict=True))
    anchor_weights = np.array([weight_of[gene] for gene in anchors])
    kernels = tuple(
        SourceKernel(features=GeneFeatures.of(source, anchors, anchor_weights), kind=kind, bandwidth=bandwidth)
        for source, (kind, bandwidth) in zip(sources, kinds, strict=True)
    )
    solved = solve(problem, kernels, mix, settings=settings, is_exact=len(anchors) == len(genes))
    residuals = left_out_residuals(problem, solved, beyond=beyond)
    hidden = problem.targets if beyond is None else problem.targets + beyond
    modality = settings.modality if settings.has("target_gene") else None
    target = fit_target_gene(effects, hidden - residuals, modality=modality)
    radii = conformal_radii(problem, solved, residuals, beyond=beyond)
    return Fitted(
        genes=effects.genes,
        anchors=anchors,
        kernels=kernels,
        shares=mix.shares,
        reaches=tuple(reach_of(kernel.features) for kernel in kernels),
        intercept=solved.intercept,
        coefficients=solved.coefficients,
        known=genes,
        offsets=solved.offsets
        if beyond is None or problem.design.has_combinations
        else solved.offsets + problem.design.to_genes(beyond),
        offsets_in_singles=problem.design.has_combinations,
        interactions=mix.interactions,
        interaction_coefficients=solved.interactions,
        target=target,
        radii=radii,
        interaction_radii=interaction_radii(problem, solved, hidden),
        trained_on=effects.perturbations,
        split_hash=split_hash,
        report=report_of(problem, kernels, mix, solved=solved, target=target, radii=radii, n_anchors=len(anchors)),
    )


def _lay_out(
    effects: Effects, sources: Sequence[GeneEmbedding], settings: Settings
) -> tuple[Problem, NDArray[np.float64] | None]:
    """Return the rows to learn from, and what of Δ lies beyond the components that are predicted (None: nothing)."""
    design = Design.of(effects.perturbations)
    for source in sources:
        require_overlap(source, design.genes)
    targets = hide_targets(effects) if settings.has("target_gene") else np.asarray(effects.delta)
    beyond = None
    if settings.rank is not None:
        mean = targets.mean(axis=0)
        directions = leading_directions(targets - mean, settings.rank)
        kept = mean + (targets - mean) @ directions.T @ directions
        targets, beyond = kept, targets - kept
    labels = _one_vector(sources, design.genes) | dict(settings.groups)
    groups = find_groups(design, labels) if settings.has("groups") else ()
    if any(len(group) == len(targets) for group in groups):
        said = (
            f"All {len(targets)} training perturbations bear the same label, so none can be left out from the others."
        )
        raise FitError(said, cure="Give different labels to genes that are not the same gene, or leave groups out.")
    problem = Problem(
        design=design,
        targets=targets,
        weights=row_weights(effects) if settings.has("row_weights") else None,
        groups=groups,
    )
    return problem, beyond


def _one_vector(sources: Sequence[GeneEmbedding], genes: Sequence[str]) -> dict[str, str]:
    """Genes that every source knows by the same vector bear the name of the first of them: two names of one gene."""
    rows = [source.locate(genes).rows for source in sources]
    first: dict[tuple[int, ...], str] = {}
    labels = {}
    for j, gene in enumerate(genes):
        where = tuple(int(found[j]) for found in rows)
        if max(where) >= 0:
            labels[gene] = first.setdefault(where, gene)
    return labels


def _choose(
    problem: Problem, sources: Sequence[GeneEmbedding], settings: Settings, *, rng: np.random.Generator
) -> tuple[list[tuple[str, float]], Mix]:
    """Choose kernels and weights, on a sample of the rows and a projection of the targets where there are very many."""
    small = shorten_targets(take_rows(problem, _SEARCH_ROWS, rng=rng), _SEARCH_TARGETS, rng=rng)
    design, gene_weights = small.design, small.gene_weights()
    kernels: list[list[SourceKernel]] = []
    for source in sources:
        features = GeneFeatures.of(source, design.genes, gene_weights)
        kernels.append([SourceKernel(features=features, kind=k, bandwidth=b) for k, b in settings.kinds()])
    candidates: list[list[Callable[[], NDArray[np.float64]]]] = [
        [partial(_between, design, kernel) for kernel in of_source] for of_source in kernels
    ]
    if design.has_combinations and settings.has("own_effects"):
        # A gene's own effect, shared by every perturbation of that gene: what embeddings do not know but other rows do.
        candidates.append([partial(design.between, np.eye(len(design.genes)))])
    choice = choose_kernel(small, candidates, settings.alphas, weigh=settings.has("source_weights"))
    chosen = [of_source[i] for of_source, i in zip(kernels, choice.candidates, strict=False)]
    shares, own = choice.shares[: len(sources)], sum(choice.shares[len(sources) :])
    trial, interactions = choice.trial, dict.fromkeys(INTERACTIONS, 0.0)
    if design.has_combinations and settings.has("interactions"):
        shared = sum(
            (share * kernel.anchor_kernel() for share, kernel in zip(shares, chosen, strict=True)), np.zeros(())
        )
        extra = interaction_kernels(design, design, shared)
        trial, interactions = choose_interactions(small, trial, extra, alphas=settings.alphas)
    mix = Mix(shares=shares, own=own, interactions=interactions, alpha=trial.alpha)
    return [(kernel.kind, kernel.bandwidth) for kernel in chosen], mix


def _between(design: Design, kernel: SourceKernel) -> NDArray[np.float64]:
    return design.between(kernel.anchor_kernel())
