"""Training cells in coordinates relative to the controls of their context, with the strata that plans never cross."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError
from perturbridge.numerics import group_means
from perturbridge.values import Finding

from ._kernel import costs
from ._strata import cluster_controls, settled_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Labels, Latent, PerturbationName

    from ._settings import AlignmentSettings

__all__ = ["Chosen", "TrainingCells", "training_cells"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Chosen:
    """Which cells of a latent train, by row.

    Parameters
    ----------
    controls
        Rows of the controls.
    perturbed
        Rows of the cells of each perturbation.
    perturbations
        Sorted.
    context, state
        Of every cell of the latent; None where there is none.
    n_unlabelled
        Cells left out because a label was missing.
    """

    controls: NDArray[np.int64]
    perturbed: tuple[NDArray[np.int64], ...]
    perturbations: tuple[PerturbationName, ...]
    context: Labels | None
    state: Labels | None
    n_unlabelled: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingCells:
    """Everything plans are made of; codes run over `contexts` and `strata`.

    Parameters
    ----------
    contexts, centres
        Contexts with enough controls, and the mean of each `(n_contexts, n_dims)`.
    strata, strata_by, cluster_centres
        As in `Alignment`.
    x, x_context, x_stratum
        Centred controls `(n_controls, n_dims)` and their codes.
    y, y_context, y_stratum
        The same of the cells of each perturbation.
    n_left_out
        Cells of each perturbation in contexts that cannot be centred.
    findings
        What was left out.
    """

    contexts: tuple[str, ...]
    centres: NDArray[np.float64]
    strata: tuple[tuple[str, str], ...]
    strata_by: str
    cluster_centres: NDArray[np.float64] | None
    x: NDArray[np.float64]
    x_context: NDArray[np.int64]
    x_stratum: NDArray[np.int64]
    y: tuple[NDArray[np.float64], ...]
    y_context: tuple[NDArray[np.int64], ...]
    y_stratum: tuple[NDArray[np.int64], ...]
    n_left_out: tuple[int, ...]
    findings: tuple[Finding, ...]


def training_cells(
    latent: Latent, chosen: Chosen, *, settings: AlignmentSettings, within_context: bool, rng: np.random.Generator
) -> TrainingCells:
    """X = z − mean of the training controls of the cell's context, and the stratum of each cell.

    Parameters
    ----------
    latent
        Coordinates.
    chosen
        Which cells train.
    settings
        Of the alignment.
    within_context
        Whether a stratum may span contexts.
    rng
        Draws clusters.

    Raises
    ------
    DataError
        If no context has enough controls.
    """
    names = ("all",) if chosen.context is None else chosen.context.categories
    codes = (
        np.zeros(latent.n_cells, dtype=np.int64) if chosen.context is None else chosen.context.codes.astype(np.int64)
    )
    counts = np.bincount(codes[chosen.controls], minlength=len(names))
    usable = np.flatnonzero(counts >= settings.min_context_controls)
    if not len(usable):
        problem = f"None of {len(names)} contexts has {settings.min_context_controls} training controls; the most is {int(counts.max(initial=0))}."
        raise DataError(problem, cure="Lower min_context_controls, or align with a coarser context.")
    place = np.full(len(names) + 1, -1, dtype=np.int64)
    place[usable] = np.arange(len(usable))
    context = place[codes]
    z = latent.z
    kept = chosen.controls[context[chosen.controls] >= 0]
    centres, _ = group_means(z[kept].astype(np.float64), context[kept], n_groups=len(usable))
    x = z[kept] - centres[context[kept]]
    rows = tuple(cells[context[cells] >= 0] for cells in chosen.perturbed)
    y = tuple(z[cells] - centres[context[cells]] for cells in rows)
    states, x_state, y_state, centroids, by = _states(chosen, settings, x=x, y=y, rows=(kept, rows), rng=rng)
    known = tuple(names[i] for i in usable)
    strata, x_stratum, y_stratum = _crossed(
        known,
        states,
        x=(context[kept], x_state),
        y=[(context[r], s) for r, s in zip(rows, y_state, strict=True)],
        crossed=within_context,
    )
    left = tuple(len(cells) - len(r) for cells, r in zip(chosen.perturbed, rows, strict=True))
    return TrainingCells(
        contexts=known,
        centres=centres,
        strata=strata,
        strata_by=by,
        cluster_centres=centroids,
        x=x,
        x_context=context[kept],
        x_stratum=x_stratum,
        y=y,
        y_context=tuple(context[r] for r in rows),
        y_stratum=y_stratum,
        n_left_out=left,
        findings=_left_out(names, counts, left, minimum=settings.min_context_controls),
    )


def _left_out(
    names: Sequence[str], counts: NDArray[np.int64], left: Sequence[int], *, minimum: int
) -> tuple[Finding, ...]:
    lacking = [name for name, n in zip(names, counts, strict=True) if n < minimum]
    if not lacking:
        return ()
    message = (
        f"{len(lacking)} of {len(names)} contexts have fewer than {minimum} training controls and cannot be centred; "
        f"{sum(left):,} perturbed cells in them were left out."
    )
    return (
        Finding(
            level="warning", code="contexts_without_controls", message=message, count=sum(left), example=lacking[0]
        ),
    )


def _states(
    chosen: Chosen,
    settings: AlignmentSettings,
    *,
    x: NDArray[np.float64],
    y: tuple[NDArray[np.float64], ...],
    rows: tuple[NDArray[np.int64], tuple[NDArray[np.int64], ...]],
    rng: np.random.Generator,
) -> tuple[tuple[str, ...], NDArray[np.int64], list[NDArray[np.int64]], NDArray[np.float64] | None, str]:
    """Names of the states, their codes, and for clusters the centres."""
    by = settings.strata
    if by == "auto":
        by = "clusters" if chosen.state is None else "state"
    if by == "state":
        if chosen.state is None:
            problem = "strata='state', and the cells have no state."
            raise DataError(problem, cure="Pass state=, or strata='clusters'.")
        codes = chosen.state.codes.astype(np.int64)
        # A state without training controls has nothing its cells could be compared with.
        seen = np.unique(codes[rows[0]])
        place = np.full(len(chosen.state.categories), -1, dtype=np.int64)
        place[seen] = np.arange(len(seen))
        names = tuple(chosen.state.categories[i] for i in seen)
        return names, place[codes[rows[0]]], [place[codes[r]] for r in rows[1]], None, by
    if by == "none":
        return ("",), np.zeros(len(x), dtype=np.int64), [np.zeros(len(cells), dtype=np.int64) for cells in y], None, by
    centres = cluster_controls(x, n_clusters=settings.n_clusters, rng=rng)
    own = costs(x, centres).argmin(axis=1)
    shares = np.bincount(own, minlength=len(centres)) / len(own)
    names = tuple(str(k) for k in range(len(centres)))
    return names, own, [settled_clusters(cells, centres=centres, shares=shares) for cells in y], centres, by


def _crossed(
    contexts: Sequence[str],
    states: Sequence[str],
    *,
    x: tuple[NDArray[np.int64], NDArray[np.int64]],
    y: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    crossed: bool,
) -> tuple[tuple[tuple[str, str], ...], NDArray[np.int64], tuple[NDArray[np.int64], ...]]:
    """Strata as (context, state), an empty context where they span all; −1 where a cell has none."""
    if not crossed:
        return tuple(("", state) for state in states), x[1], tuple(codes for _, codes in y)
    n = len(states)
    joint = x[0] * n + x[1]
    seen = np.unique(joint)
    place = np.full(len(contexts) * n, -1, dtype=np.int64)
    place[seen] = np.arange(len(seen))
    names = tuple((contexts[code // n], states[code % n]) for code in seen)
    return names, place[joint], tuple(np.where(s >= 0, place[c * n + np.maximum(s, 0)], -1) for c, s in y)
