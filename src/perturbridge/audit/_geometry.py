"""How contexts lie in the latent: mixing among neighbours, centroids, controls against controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._rng import spawn
from perturbridge.errors import DataError
from perturbridge.numerics import bca_interval, bootstrap_means
from perturbridge.values import Check

from ._centroids import centroid_shifts
from ._energy import energy_table, euclidean
from ._graph import chi_square_acceptance, context_mass, nearest_cells, neighbor_weights
from ._plain import plain
from ._shuffles import drawn_cells, shuffled_within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._subject import Subject

__all__ = ["check_geometry"]

_MAX_GRAPH = 10_000
_MAX_CONTEXTS = 30
_MAX_DISTANCES = 1_500
_LEVEL = 0.05
_QUESTION = "Are the contexts mixed among the neighbours of a cell, and how far apart do they lie?"


def check_geometry(
    subject: Subject,
    *,
    graph: tuple[NDArray[np.integer], NDArray[np.floating]] | None = None,
    n_neighbors: int = 60,
    n_queries: int = 1_000,
    n_permutations: int = 99,
    seed: int | np.random.Generator = 0,
) -> Check:
    """Mixing lost = 1 − (mean LISI − 1) / (mean LISI under contexts shuffled inside strata − 1): 0 well mixed, 1 not at all.

    LISI of a cell is 1 / Σ_c p_c² over the contexts c of its neighbours, weighted to a perplexity of a third of their number
    (Korsunsky et al. 2019); `figures["ilisi"]` is its median scaled to [0, 1] and `figures["kbet_acceptance"]` the share of cells
    whose neighbourhood fits the shares of the contexts (Büttner et al. 2019), both as scib-metrics 0.5.10 gives them for the same
    graph. Distances are those of the latent as it is, which is what transport sees; shifting, turning or scaling all of it
    changes nothing. It corroborates and never decides.

    Parameters
    ----------
    subject
        Latent and labels.
    graph
        Neighbours and Euclidean distances `(n_cells, k)` each, made before; default an exact search among at most 10,000 cells.
    n_neighbors
        k where no graph is given; at most a third of the cells.
    n_queries
        Cells whose neighbourhoods are read; more are drawn, which the interval carries.
    n_permutations
        Shuffles for the expected mixing and the p-value.
    seed
        Draws cells and shuffles.

    Raises
    ------
    DataError
        If the graph does not have one row per cell.
    """
    if subject.n_contexts < 2 or subject.n_cells < 10:
        evidence = f"{subject.n_cells} cells of {subject.n_contexts} context: there is nothing to mix."
        return Check(name="geometry", question=_QUESTION, verdict="info", evidence=evidence, gates=False)
    drawing, shuffling, resampling, halving = spawn(seed, 4)
    queries = drawn_cells(np.arange(subject.n_cells), n_queries, drawing)
    neighbors, distances, n_graph = _neighborhoods(subject, queries, graph, k=n_neighbors, rng=drawing)
    mixing = _mixing(subject, queries, (neighbors, distances), rngs=(shuffling, resampling), n=n_permutations)
    centroids, apart = _centroids(subject), _controls(subject, halving)
    figures = mixing | centroids | apart | {"n_graph": n_graph, "n_queries": len(queries)}
    lisi, expected = mixing["lisi"], mixing["lisi_shuffled"]
    drawn = f" ({len(queries):,} of {subject.n_cells:,} cells)" if len(queries) < subject.n_cells else ""
    evidence = (
        f"A neighbourhood holds {lisi:.2f} contexts where {expected:.2f} would be by chance{drawn}; kBET accepts "
        f"{100 * mixing['kbet_acceptance']:.0f} % of them, {100 * mixing['kbet_acceptance_shuffled']:.0f} % after shuffling. "
        + _distance_sentence(figures)
    )
    return Check(
        name="geometry",
        question=_QUESTION,
        verdict="info",
        evidence=evidence,
        effect=mixing["mixing_lost"],
        effect_name="mixing lost",
        low=mixing["low"],
        high=mixing["high"],
        p=mixing["p"],
        p_attainable=1 / (1 + n_permutations),
        gates=False,
        figures=figures,
    )


def _neighborhoods(
    subject: Subject,
    queries: NDArray[np.int64],
    graph: tuple[NDArray[np.integer], NDArray[np.floating]] | None,
    *,
    k: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    n = subject.n_cells
    if graph is not None:
        neighbors, distances = np.asarray(graph[0]), np.asarray(graph[1])
        if neighbors.shape != distances.shape or neighbors.ndim != 2 or len(neighbors) != n or neighbors.shape[1] < 4:
            problem = f"The graph has neighbours {neighbors.shape} and distances {distances.shape} for {n} cells."
            raise DataError(problem, cure="Give both as (n_cells, n_neighbors) with at least 4 neighbours.")
        return neighbors[queries].astype(np.int64), distances[queries].astype(np.float64), n
    among = np.union1d(drawn_cells(np.arange(n), _MAX_GRAPH, rng), queries)
    neighbors, distances = nearest_cells(
        subject.latent.z, queries, k=max(4, min(k, (len(among) - 1) // 3)), among=among
    )
    return neighbors, distances, len(among)


def _mixing(
    subject: Subject,
    queries: NDArray[np.int64],
    graph: tuple[NDArray[np.int64], NDArray[np.float64]],
    *,
    rngs: tuple[np.random.Generator, np.random.Generator],
    n: int,
) -> dict[str, Any]:
    """LISI and kBET of the query cells, as they are and with contexts shuffled inside strata on the same graph."""
    neighbors, distances = graph
    shuffling, resampling = rngs
    codes, n_contexts, k = subject.context.codes, subject.n_contexts, neighbors.shape[1]
    weights = neighbor_weights(distances, neighbors != queries[:, None], perplexity=max(k // 3, 1))
    shares = np.bincount(codes, minlength=n_contexts) / len(codes)
    lisi = _lisi(codes[neighbors], weights, n_contexts)
    accepted = chi_square_acceptance(codes[neighbors], shares, level=_LEVEL)
    # Only the cells in the graph need labels.
    cells, place = np.unique(neighbors, return_inverse=True)
    place = place.reshape(neighbors.shape)
    means, total, kept = np.empty(n), np.zeros(len(queries)), 0.0
    shuffles = shuffled_within(codes[cells], subject.strata[cells], n_shuffles=n, rng=shuffling)
    for i, shuffled in enumerate(shuffles):
        each = _lisi(shuffled[place], weights, n_contexts)
        means[i], total = each.mean(), total + each
        if i < 10:
            kept += chi_square_acceptance(shuffled[place], shares, level=_LEVEL).mean() / min(n, 10)
    expected = total / n
    lost = _lost(np.stack([lisi, expected], axis=1).mean(axis=0)[None])
    resamples = _lost(bootstrap_means(np.stack([lisi, expected], axis=1), n_resamples=500, seed=resampling))
    influence = (1 - lost) * (expected - 1) - (lisi - 1)
    low, high = bca_interval(lost, resamples=resamples[:, None], influence=influence[:, None], confidence=0.95)
    return {
        "mixing_lost": float(lost[0]),
        "low": float(low[0]),
        "high": float(high[0]),
        "interval": "95 %, bootstrap over query cells",
        "p": float((1 + (means <= lisi.mean() + 1e-12).sum()) / (1 + n)),
        "lisi": float(lisi.mean()),
        "lisi_shuffled": float(expected.mean()),
        "ilisi": float((np.median(lisi) - 1) / (n_contexts - 1)),
        "kbet_acceptance": float(accepted.mean()),
        "kbet_acceptance_shuffled": float(kept),
        "n_neighbors": k,
    }


def _lisi(codes: NDArray[np.integer], weights: NDArray[np.float64], n_contexts: int) -> NDArray[np.float64]:
    return np.asarray(1.0 / (context_mass(codes, weights, n_contexts=n_contexts) ** 2).sum(axis=1))


def _lost(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 − (observed − 1) / (expected − 1); 0 where shuffling cannot mix either."""
    possible = means[:, 1] - 1
    gone = possible < 1e-9
    return np.where(gone, 0.0, 1 - (means[:, 0] - 1) / np.where(gone, 1.0, possible))


def _centroids(subject: Subject) -> dict[str, Any]:
    largest = np.sort(np.argsort(-np.bincount(subject.context.codes), kind="stable")[:_MAX_CONTEXTS])
    cells = np.flatnonzero(np.isin(subject.context.codes, largest))
    codes = np.searchsorted(largest, subject.context.codes[cells])
    squared, weight = centroid_shifts(_coordinates(subject, cells), codes, subject.strata[cells])
    known = np.isfinite(squared) & (weight > 0)
    np.fill_diagonal(known, val=False)
    overall = float((squared[known] * weight[known]).sum() / weight[known].sum()) if known.any() else np.nan
    return {
        "contexts": [subject.context.categories[i] for i in largest],
        "centroid_shift": plain(np.sqrt(np.maximum(squared, 0.0))),
        "centroid_shift_overall": plain(np.sqrt(max(overall, 0.0)) if np.isfinite(overall) else np.nan),
    }


def _controls(subject: Subject, rng: np.random.Generator) -> dict[str, Any]:
    """Energy distance between controls (all cells where there are none) of two contexts, over their distance within a context."""
    usable = subject.control if len(np.unique(subject.context.codes[subject.control])) > 1 else ~subject.control
    held = np.flatnonzero(usable if usable.any() else np.ones(subject.n_cells, dtype=np.bool_))
    counts = np.bincount(subject.context.codes[held], minlength=subject.n_contexts)
    largest = np.argsort(-counts, kind="stable")[:_MAX_CONTEXTS]
    largest = np.sort(largest[counts[largest] > 1])
    if len(largest) < 2:
        return {"energy_of": "", "energy_contexts": [], "energy": [], "energy_overall": None}
    size = max(_MAX_DISTANCES // len(largest), 2)
    parts = [drawn_cells(held[subject.context.codes[held] == code], size, rng) for code in largest]
    cells, codes = np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    z = _coordinates(subject, cells)
    matrix = euclidean(z, z)
    np.fill_diagonal(matrix, 0.0)
    table = energy_table(matrix, codes, n_groups=len(parts), folds=np.zeros(len(cells), dtype=np.int64))
    within = np.diag(table.distances())
    unit = 0.5 * (within[:, None] + within[None, :])
    relative = np.divide(table.energy(), unit, out=np.zeros_like(unit), where=unit > 0)
    return {
        "energy_of": "controls" if usable is subject.control else "cells",
        "energy_contexts": [subject.context.categories[i] for i in largest],
        "energy": plain(relative),
        "energy_overall": plain(relative[np.triu_indices(len(parts), k=1)].mean()),
        "energy_cells": len(cells),
    }


def _coordinates(subject: Subject, cells: NDArray[np.int64]) -> NDArray[np.float64]:
    z = subject.latent.z[cells].astype(np.float64)
    return np.asarray(z - z.mean(axis=0))


def _distance_sentence(figures: dict[str, Any]) -> str:
    shift, energy = figures["centroid_shift_overall"], figures["energy_overall"]
    parts = [] if shift is None else [f"centroids of two contexts lie {shift:.2f} within-spreads apart"]
    if energy is not None:
        parts.append(
            f"{figures['energy_of']} of two contexts differ by {100 * max(energy, 0.0):.1f} % of their distance within one"
        )
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "." if text else "No two contexts can be compared inside a stratum."
