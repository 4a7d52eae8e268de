"""From an alignment to a fitted response."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._rng import spawn
from perturbridge.errors import FitError

from ._cells import control_rows, perturbed_rows, place
from ._energy import match
from ._fitted import Fitted
from ._folds import cross_fit
from ._genes import require_overlap
from ._held_out import climb
from ._prototypes import make_prototypes
from ._ridge import fit_ridge
from ._status import reaches_of
from ._targets import PARTS, displacements_at, factors, row_weights, split
from ._tuning import tune

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from perturbridge.injection import InjectionSpec
    from perturbridge.values import Alignment, GeneEmbedding, Latent

    from ._cells import Placed
    from ._energy import Matched
    from ._prototypes import Prototypes
    from ._ridge import RowRidge
    from ._search import Trial
    from ._settings import ResponseSettings

__all__ = ["FEWEST", "Known", "fit"]

FEWEST = 6
# So many perturbations tell how prototypes are best read.
_TUNED_ON = 48


@dataclass(frozen=True, eq=False, kw_only=True)
class Known:
    """What is known of the training perturbations.

    Parameters
    ----------
    alignment
        Displacements.
    sample
        Control cells on which the head learns and folds are scored.
    at_sample
        Δz of each perturbation there `(n_rows, n_sample, n_dims)`, float32.
    prototypes, at_prototypes
        Points and Δz there `(n_rows, n_prototypes, n_dims)`, float32.
    weights
        Of the rows `(n_rows,)`.
    pairs
        Perturbed cells of each row, with as many cells of the sample; None where there are too few.
    """

    alignment: Alignment
    sample: Placed
    at_sample: NDArray[np.float32]
    prototypes: Prototypes
    at_prototypes: NDArray[np.float32]
    weights: NDArray[np.float64]
    pairs: list[Matched | None]


def fit(
    alignment: Alignment,
    controls: Latent,
    sources: Sequence[GeneEmbedding],
    *,
    cells: Latent | None,
    injection: InjectionSpec | None,
    settings: ResponseSettings,
    progress: Callable[[int, int], None] | None = None,
) -> Fitted:
    """Fit base, head and ladder; see `ResponseModel.fit`."""
    n = len(alignment.perturbations)
    if n < FEWEST:
        problem = f"The alignment holds {n} perturbations and a response model needs at least {FEWEST}."
        raise FitError(problem, cure="Use fewer folds, or a screen with more perturbations.")
    genes = sorted({gene for name in alignment.perturbations for gene in name.genes})
    require_overlap(sources, genes)
    streams = spawn(np.random.default_rng((17, settings.seed)), 5)
    known, facts = _look(alignment, controls, cells, settings=settings, streams=streams)
    parts = factors(known.at_prototypes, known.prototypes, rng=streams[3])
    ridge, trial = fit_ridge(alignment.perturbations, parts, sources, weights=known.weights, settings=settings)
    held = cross_fit(alignment.perturbations, parts, sources, weights=known.weights, settings=settings, rng=streams[4])
    top = climb(known, held, injection=injection, settings=settings, progress=progress)
    folds = np.empty(n, dtype=np.int64)
    for f, rows in enumerate(held.folds):
        folds[rows] = f
    report = facts | _report(ridge, trial, n_folds=len(held.folds))
    return Fitted(
        frame=_frame(alignment),
        ridge=ridge,
        prototypes=known.prototypes,
        displacements=known.at_prototypes,
        reaches=reaches_of(ridge.space, genes),
        folds=folds,
        held_out=held.weights,
        errors=top.errors,
        head=top.head,
        ladder=top.ladder,
        bands=None,
        report=report | {"residual": dict(top.report), "ladder": top.ladder.as_json()},
    )


def _look(
    alignment: Alignment,
    controls: Latent,
    cells: Latent | None,
    *,
    settings: ResponseSettings,
    streams: Sequence[np.random.Generator],
) -> tuple[Known, dict[str, Any]]:
    """Choose prototypes and a sample of controls, read displacements there, and find the perturbed cells."""
    placed = place(alignment, controls, control_rows(controls))
    if len(placed.rows) < 2:
        problem = f"{len(placed.rows)} of {len(placed.rows) + placed.n_left_out} controls lie in a context and stratum of the alignment."
        raise FitError(problem, cure="Pass the latent that was aligned, with its labels.")
    n_strata = len(alignment.strata)
    prototypes = make_prototypes(placed.x, placed.strata, n=settings.n_prototypes, n_strata=n_strata, rng=streams[0])
    sample = placed.take(np.sort(streams[1].permutation(len(placed.rows))[: settings.n_cells]))
    at_prototypes = displacements_at(alignment, prototypes.centres, prototypes.strata)
    at_sample = displacements_at(alignment, sample.x, sample.strata)
    step = -(-len(at_sample) // _TUNED_ON)
    prototypes, lost = tune(prototypes, at_prototypes[::step], at_sample[::step], x=sample.x, strata=sample.strata)
    weights = row_weights(alignment, split(at_prototypes, prototypes)[0])
    n, n_cells, n_out = len(alignment.perturbations), 0, 0
    pairs: list[Matched | None] = [None] * n
    if cells is not None:
        rows, codes = perturbed_rows(cells, alignment.perturbations)
        perturbed = place(alignment, cells, rows)
        codes = codes[np.searchsorted(rows, perturbed.rows)]
        pairs = match(sample, perturbed, codes, n=n, rng=streams[2])
        n_cells, n_out = len(perturbed.rows), perturbed.n_left_out
    facts = {
        "n_perturbations": n,
        "n_combinations": sum(not name.is_single for name in alignment.perturbations),
        "n_controls": len(placed.rows),
        "n_controls_left_out": placed.n_left_out,
        "n_perturbed_cells": n_cells,
        "n_perturbed_cells_left_out": n_out,
        "n_prototypes": len(prototypes.centres),
        "interpolation": {"bandwidth": prototypes.bandwidth, "trend": _finite(prototypes.trend), "lost": lost},
        "row_weights": weights is not None,
    }
    known = Known(
        alignment=alignment,
        sample=sample,
        at_sample=at_sample,
        prototypes=prototypes,
        at_prototypes=at_prototypes,
        weights=np.ones(n) if weights is None else weights,
        pairs=pairs,
    )
    return known, facts


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _frame(alignment: Alignment) -> Alignment:
    """The alignment without what it says of perturbations: contexts, centres and strata."""
    return replace(
        alignment,
        perturbations=(),
        displacements=(),
        plans=(),
        reports=(),
        self_maps=(None,) * len(alignment.strata),
        context_mass=np.zeros_like(alignment.context_mass),
        findings=(),
    )


def _report(ridge: RowRidge, trial: Trial, *, n_folds: int) -> dict[str, Any]:
    errors, baseline = trial.errors.mean(axis=1), trial.baseline.mean(axis=1)
    gain = 1.0 - np.divide(errors, baseline, out=np.ones_like(errors), where=baseline > 0)
    return {
        "parts": {
            part: {"alpha": ridge.alphas[i], "certainty": ridge.certainty[i], "loo_r2": float(gain[i])}
            for i, part in enumerate(PARTS)
        },
        "sources": [
            {
                "name": source.name,
                "share": ridge.space.shares[s],
                "keeps_lengths": ridge.space.lengths[s] > 0,
                "n_genes": int(source.locate(ridge.design.genes).found.sum()),
                "n_genes_asked": len(ridge.design.genes),
            }
            for s, source in enumerate(ridge.space.sources)
        ],
        "n_folds": n_folds,
    }
