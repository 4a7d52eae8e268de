"""Drawing who is perturbed, what that does, and which cell is what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import EmbeddingError
from perturbridge.numerics import l2_normalize
from perturbridge.values import CONTROL, CONTROL_CODE, EmbeddingCard, GeneEmbedding, PerturbationName

from ._truth import Truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._truth import Settings

__all__ = ["Cast", "CellPlan", "draw_cast", "draw_truth", "fill_plan", "plan_cells", "random_embedding"]

N_AXES = 6
N_DIMS = 32
RESPONSIVE = 0.4
COMMON = 0.5
LIBRARY_SPREAD = 0.35
STATE_SHIFT = 0.5
PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.-]*")


@dataclass(frozen=True, eq=False, kw_only=True)
class Cast:
    """Who takes part.

    Parameters
    ----------
    genes
        Measured, sorted `(n_genes,)`.
    targets
        Perturbed genes, sorted `(n_targets,)`.
    perturbations
        Singles and pairs, sorted `(n_perturbations,)`.
    members
        1 where a perturbation targets a gene `(n_perturbations, n_targets)`.
    features
        Vectors of the targets, centered, of length 1 `(n_targets, n_dims)`.
    """

    genes: tuple[str, ...]
    targets: tuple[str, ...]
    perturbations: tuple[PerturbationName, ...]
    members: NDArray[np.float64]
    features: NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class CellPlan:
    """Labels and expected totals of cells, each `(n_cells,)`; controls have the perturbation code -1."""

    perturbation: NDArray[np.int32]
    context: NDArray[np.int32]
    sample: NDArray[np.int32]
    state: NDArray[np.int32]
    library: NDArray[np.float64]

    def take(self, cells: slice | NDArray[np.int64]) -> CellPlan:
        """Return the plan of some cells."""
        return CellPlan(
            perturbation=self.perturbation[cells],
            context=self.context[cells],
            sample=self.sample[cells],
            state=self.state[cells],
            library=self.library[cells],
        )


def random_embedding(n_targets: int, rng: np.random.Generator) -> GeneEmbedding:
    """Four times as many genes as will be perturbed, in 32 dimensions of falling weight around a common offset, like text embeddings."""
    n = 4 * n_targets
    weights = 1.0 / np.sqrt(np.arange(1, N_DIMS + 1))
    vectors = rng.normal(size=(n, N_DIMS)) * weights + 2 * rng.normal(size=N_DIMS) / np.sqrt(N_DIMS)
    return GeneEmbedding(
        vectors=vectors.astype(np.float32),
        genes=tuple(f"GENE{i:05d}" for i in range(n)),
        rows=np.arange(n),
        card=EmbeddingCard(name="simulated", description="Random vectors drawn by simulate.screen."),
    )


def draw_cast(embedding: GeneEmbedding, settings: Settings, rng: np.random.Generator) -> Cast:
    """Draw targets from the embedding, then pairs among them, then the measured genes: four in five targets and others.

    Raises
    ------
    EmbeddingError
        If the embedding has too few plainly named genes.
    """
    usable = sorted(gene for gene in embedding.genes if PLAIN_NAME.fullmatch(gene) and gene.lower() != str(CONTROL))
    if len(usable) < settings.n_perturbations:
        problem = f"Embedding {embedding.name!r} has {len(usable)} genes with a plain name, {settings.n_perturbations} are to be perturbed."
        raise EmbeddingError(problem, cure="Lower n_perturbations or pass a larger embedding.")
    order = rng.permutation(len(usable))
    targets = sorted(usable[i] for i in order[: settings.n_perturbations])
    others = [usable[i] for i in order[settings.n_perturbations :]]
    n_measured = min(-(-4 * len(targets) // 5), settings.n_genes // 2)
    measured = [targets[i] for i in rng.permutation(len(targets))[:n_measured]]
    measured += others[: settings.n_genes - n_measured]
    taken = set(embedding.genes)
    fill = (name for name in (f"READOUT{i:05d}" for i in range(settings.n_genes + len(taken))) if name not in taken)
    measured += [next(fill) for _ in range(settings.n_genes - len(measured))]
    first, second = np.triu_indices(len(targets), 1)
    drawn = rng.permutation(len(first))[: settings.n_pairs]
    pairs = [(targets[first[i]], targets[second[i]]) for i in drawn]
    perturbations = tuple(sorted(PerturbationName.of(genes) for genes in [*((t,) for t in targets), *pairs]))
    vectors = embedding.vectors[embedding.locate(targets).rows].astype(np.float64)
    return Cast(
        genes=tuple(sorted(measured)),
        targets=tuple(targets),
        perturbations=perturbations,
        members=np.array([[float(target in name.genes) for target in targets] for name in perturbations]),
        features=l2_normalize(vectors - vectors.mean(axis=0)),
    )


def draw_truth(cast: Cast, settings: Settings, rng: np.random.Generator) -> Truth:
    """Draw effects, contexts, samples and states."""
    n_genes, n_targets = len(cast.genes), len(cast.targets)
    response = _responsiveness(n_genes, rng)
    linear = settings.effect_scale * np.sqrt(1 - settings.specificity) * _unit_map(cast.features, response, rng)
    apart = settings.effect_scale * np.sqrt(settings.specificity) * response * rng.normal(size=(n_targets, n_genes))
    common = settings.effect_scale * COMMON * response * rng.normal(size=n_genes)
    interactions = settings.interaction_scale * response * rng.normal(size=(len(cast.perturbations), n_genes))
    interactions[cast.members.sum(axis=1) == 1] = 0.0
    knockdown = np.zeros((n_targets, n_genes))
    column = {gene: j for j, gene in enumerate(cast.genes)}
    for i, target in enumerate(cast.targets):
        if target in column:
            knockdown[i, column[target]] = np.log(settings.knockdown)
    members = cast.members
    embedding_effects = members @ (cast.features @ linear)
    specific, down = members @ apart, members @ knockdown
    shared = members.sum(axis=1, keepdims=True) * common
    control_shares, shares = _state_shares(len(cast.perturbations), settings.n_states, rng)
    return Truth(
        features=members @ cast.features,
        map=linear,
        common=common,
        embedding_effects=embedding_effects,
        specific_effects=specific,
        interactions=interactions,
        knockdown=down,
        log_effects=shared + embedding_effects + specific + interactions + down,
        baseline=rng.normal(scale=1.5, size=n_genes),
        context_effects=settings.context_scale * rng.normal(size=(settings.n_contexts, n_genes)),
        sample_effects=0.5 * settings.context_scale * rng.normal(size=(settings.n_samples, n_genes)),
        state_programs=settings.state_scale * rng.normal(size=(settings.n_states, n_genes)),
        control_state_shares=control_shares,
        state_shares=shares,
        settings=settings,
    )


def plan_cells(truth: Truth, rng: np.random.Generator) -> CellPlan:
    """Give each cell a perturbation, context, sample, state and library size, in random order.

    A share `confounding` of the cells of a perturbation lies in one context; the rest, and all controls, go round all contexts.
    """
    settings = truth.settings
    n_contexts, n_each = settings.n_contexts, settings.cells_per_perturbation
    codes = [CONTROL_CODE] * settings.n_controls
    contexts = [_round_robin(settings.n_controls, n_contexts, rng)]
    n_home = round(settings.confounding * n_each)
    for i in range(len(truth.log_effects)):
        own = _round_robin(n_each, n_contexts, rng)
        own[:n_home] = i % n_contexts
        codes += [i] * n_each
        contexts.append(own)
    plan = fill_plan(truth, np.array(codes, dtype=np.int32), np.concatenate(contexts), rng=rng)
    return plan.take(rng.permutation(len(codes)))


def fill_plan(
    truth: Truth, perturbation: NDArray[np.int32], context: NDArray[np.int32], *, rng: np.random.Generator
) -> CellPlan:
    """Draw sample, state and library size for cells of known perturbation and context."""
    settings, n = truth.settings, len(perturbation)
    # The last row is that of the controls, which are coded -1.
    thresholds = np.cumsum(np.vstack([truth.state_shares, truth.control_state_shares]), axis=1)[:, :-1]
    spread = LIBRARY_SPREAD * rng.normal(size=n) - LIBRARY_SPREAD**2 / 2
    return CellPlan(
        perturbation=perturbation,
        context=context,
        sample=_round_robin(n, settings.n_samples, rng),
        state=(rng.random((n, 1)) > thresholds[perturbation]).sum(axis=1).astype(np.int32),
        library=settings.library_size * np.exp(spread),
    )


def _round_robin(n: int, n_levels: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """As equal as can be, in random order."""
    return ((rng.permutation(n) + rng.integers(n_levels)) % n_levels).astype(np.int32)


def _responsiveness(n_genes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """How much a gene responds to anything: two in five genes do, by different amounts."""
    return np.where(rng.random(n_genes) < RESPONSIVE, np.exp(0.4 * rng.normal(size=n_genes)), 0.0)


def _unit_map(
    features: NDArray[np.float64], response: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Map `(n_dims, n_genes)` on the leading axes of the features, whose effects have the mean square of the responsiveness."""
    n_axes = min(N_AXES, *features.shape)
    axes = np.linalg.svd(features, full_matrices=False)[2][:n_axes].T
    # The sign of a singular vector is arbitrary: fix it, so that a seed means the same everywhere.
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(n_axes)])
    linear = axes @ (rng.normal(size=(n_axes, len(response))) * response)
    found = np.mean((features @ linear) ** 2)
    return linear * np.sqrt(np.mean(response**2) / found) if found > 0 else np.zeros_like(linear)


def _state_shares(
    n_perturbations: int, n_states: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    control = rng.dirichlet(np.full(n_states, 8.0))
    shifted = control * np.exp(STATE_SHIFT * rng.normal(size=(n_perturbations, n_states)))
    return control, shifted / shifted.sum(axis=1, keepdims=True)
