"""Screens whose truth is known.

>>> from perturbridge.screens import pseudobulk, simulate
>>> simulated = simulate.screen(n_perturbations=10, n_genes=50, seed=1)
>>> pseudobulk(simulated.screen).delta.shape == simulated.truth.log_effects.shape
True
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from perturbridge._rng import spawn
from perturbridge.values import CONTROL_CODE, Effects, GeneEmbedding, Labels, Normalization, Screen

from .files._source_array import ArraySource
from .simulating._counts import draw_counts, expected_delta
from .simulating._design import draw_cast, draw_truth, plan_cells, random_embedding
from .simulating._large import write_large
from .simulating._on_the_fly import endless_screen
from .simulating._truth import Settings, Truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .simulating._design import Cast, CellPlan

__all__ = ["Settings", "SimulatedScreen", "Truth", "endless_screen", "screen", "write_large"]

TRUTH_DRAWS = 1000


@dataclass(frozen=True, eq=False, kw_only=True)
class SimulatedScreen:
    """A simulated screen with what was planted in it.

    Parameters
    ----------
    screen
        Cells in random order, with context, sample and state.
    embedding
        The one that effects follow: given, or drawn.
    counts
        `(n_cells, n_genes)`.
    truth
        Everything that was planted.
    library_sizes
        Expected total of each cell `(n_cells,)`.
    """

    screen: Screen
    embedding: GeneEmbedding
    counts: NDArray[np.int32]
    truth: Truth
    library_sizes: NDArray[np.float64]

    @cached_property
    def true_effects(self) -> Effects:
        """Expected Δ of this design: Σ_b (n_pb/n_p) · (E[x | p, b] − E[x | control, b]), x = log1p(CP10k) of the drawn counts.

        A Monte Carlo estimate from 1,000 fresh cells per perturbation and 4,000 controls per context, since log1p of noisy counts
        has no closed expectation: its standard error is that of a screen with as many cells, sd(x)/√1000. Samples, states and
        library sizes are averaged over; n_pb is that of the screen. Computed on first use, in about a second.
        """
        screen = self.screen
        n_contexts = self.truth.settings.n_contexts
        codes = screen.perturbation_codes
        context = screen.context.codes if screen.context is not None else np.zeros_like(codes)
        n_pb = np.zeros((len(screen.perturbations), n_contexts))
        np.add.at(n_pb, (codes[codes >= 0], context[codes >= 0]), 1)
        n_b = np.bincount(context[codes == CONTROL_CODE], minlength=n_contexts)
        rng = np.random.default_rng([self.truth.settings.seed, TRUTH_DRAWS])
        weights = n_pb / n_pb.sum(axis=1, keepdims=True)
        delta, control = expected_delta(self.truth, weights, n_draws=TRUTH_DRAWS, rng=rng)
        return Effects(
            perturbations=screen.perturbations,
            genes=screen.genes,
            delta=delta,
            n_cells=np.full(len(delta), TRUTH_DRAWS),
            control_mean=(n_b / n_b.sum()) @ control,
        )


def screen(  # noqa: PLR0913 every argument is a keyword with a default
    embedding: GeneEmbedding | None = None,
    *,
    n_perturbations: int = 60,
    n_pairs: int = 0,
    n_genes: int = 300,
    cells_per_perturbation: int = 50,
    n_controls: int = 600,
    n_contexts: int = 3,
    n_samples: int = 2,
    n_states: int = 2,
    confounding: float = 0.0,
    effect_scale: float = 0.5,
    specificity: float = 0.3,
    interaction_scale: float = 0.2,
    knockdown: float = 0.25,
    context_scale: float = 0.3,
    state_scale: float = 0.5,
    library_size: float = 1000.0,
    dispersion: float = 0.3,
    seed: int = 0,
) -> SimulatedScreen:
    """Counts ~ NB(library size · softmax(baseline + effect + context + sample + state), dispersion), with a known effect.

    effect = common + features @ map + specific + knock-down of the target; that of a pair is the sum of its singles plus an
    interaction. `Truth` documents every part. 60 perturbations of 50 cells with 300 genes take a fifth of a second.

    Parameters
    ----------
    embedding
        Perturbed genes are drawn from its genes and their effects follow its vectors; default: a random embedding.
    n_perturbations, n_pairs
        Single genes, and pairs of them on top.
    n_genes
        Measured genes; four in five targets are among them (at most half of the measured genes are targets).
    cells_per_perturbation, n_controls
        Cells.
    n_contexts, n_samples, n_states
        Levels of the technical grouping, of the biological unit, and of the cell state; 1 means none.
    confounding
        Share of the cells of a perturbation that lie in one context of its own: 0 balanced, 1 one context per perturbation.
    effect_scale
        Root mean square of the log effect on the genes that respond (two in five), natural log.
    specificity
        Share of the effect variance that no embedding explains, 0 to 1.
    interaction_scale
        Root mean square of what a pair does beyond the sum of its singles.
    knockdown
        Remaining expression of a target, as a fraction; above 1 for activation.
    context_scale, state_scale
        Standard deviation of log expression between contexts (half of it between samples) and between states.
    library_size
        Mean total count of a cell; single cells vary around it (standard deviation of the log: 0.35).
    dispersion
        Of the negative binomial: variance = mean + dispersion · mean²; 0 for Poisson.
    seed
        Draws everything; the same seed gives the same screen.

    Returns
    -------
    SimulatedScreen
        Screen, embedding, counts and truth.

    Raises
    ------
    DataError
        If a setting is out of range.
    EmbeddingError
        If the embedding has too few genes.
    """
    settings = Settings(
        n_perturbations=n_perturbations,
        n_pairs=n_pairs,
        n_genes=n_genes,
        cells_per_perturbation=cells_per_perturbation,
        n_controls=n_controls,
        n_contexts=n_contexts,
        n_samples=n_samples,
        n_states=n_states,
        confounding=confounding,
        effect_scale=effect_scale,
        specificity=specificity,
        interaction_scale=interaction_scale,
        knockdown=knockdown,
        context_scale=context_scale,
        state_scale=state_scale,
        library_size=library_size,
        dispersion=dispersion,
        seed=seed,
    )
    rngs = spawn(seed, 5)
    embedding = embedding or random_embedding(n_perturbations, rngs[0])
    cast = draw_cast(embedding, settings, rngs[1])
    truth = draw_truth(cast, settings, rngs[2])
    plan = plan_cells(truth, rngs[3])
    counts = draw_counts(truth, plan, rngs[4])
    return SimulatedScreen(
        screen=_as_screen(cast, plan, counts, seed=seed),
        embedding=embedding,
        counts=counts,
        truth=truth,
        library_sizes=plan.library,
    )


def _as_screen(cast: Cast, plan: CellPlan, counts: NDArray[np.int32], *, seed: int) -> Screen:
    description = f"simulated counts (seed {seed})"
    return Screen(
        source=ArraySource(sparse.csr_matrix(counts, dtype=np.float32), description=description, gene_names=cast.genes),
        genes=cast.genes,
        perturbations=cast.perturbations,
        perturbation_codes=plan.perturbation,
        normalization=Normalization(kind="counts", place="X", evidence="Simulated counts."),
        context=_labels("context", plan.context),
        sample=_labels("sample", plan.sample),
        state=_labels("state", plan.state),
        explanation=(f"Simulated with seed {seed}.",),
    )


def _labels(column: str, codes: NDArray[np.int32]) -> Labels:
    """Name levels so that their order as text is that of their numbers."""
    n_levels = int(codes.max()) + 1
    width = len(str(n_levels))
    return Labels(column, tuple(f"{column}{i + 1:0{width}d}" for i in range(n_levels)), codes)
