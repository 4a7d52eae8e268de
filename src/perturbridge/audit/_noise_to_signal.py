"""How far controls of two contexts differ, beside how far a perturbation moves cells inside a context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._energy import EnergyTable, energy_table, euclidean
from ._ratio import Ratio, balanced_folds
from ._shuffles import drawn_cells, shuffled_within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._displacement import Cells

__all__ = ["NoiseToSignal", "noise_to_signal"]

_N_FOLDS = 20
_MAX_CELLS = 800
_MAX_GROUPS = 8
_MIN_CELLS = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class NoiseToSignal:
    """Result of `noise_to_signal`.

    Parameters
    ----------
    ratio
        Mean energy distance of controls between contexts over that of perturbed cells to the controls of their context.
    p
        Of the numerator under contexts shuffled among controls.
    contexts, perturbations
        Codes that were compared: those with most cells.
    between
        Energy distance of controls between these contexts `(n_contexts, n_contexts)`.
    n_cells
        Cells behind it.
    """

    ratio: Ratio
    p: float
    contexts: NDArray[np.int64]
    perturbations: NDArray[np.int64]
    between: NDArray[np.float64]
    n_cells: int


def noise_to_signal(cells: Cells, *, n_permutations: int, rng: np.random.Generator) -> NoiseToSignal | None:
    """Σ_ab w_ab E(control_a, control_b) / Σ_pc w_pc E(p in c, control_c), E the energy distance as a U-statistic.

    w are the numbers of cell pairs behind each term, n_a n_b / (n_a + n_b). At most 8 contexts and 8 perturbations, those with
    most cells, and 800 cells a side are compared; folds of cells are left out in turn for the interval. None where no
    perturbation has three cells beside three controls in two contexts.
    """
    contexts = _largest(cells.control_context)
    held = np.isin(cells.perturbed_context, contexts)
    if len(contexts) < 2 or not held.any():
        return None
    perturbations = _largest(np.where(held, cells.perturbation, -1))
    n = len(contexts)
    control, control_groups = _even(cells.control_context, contexts, rng)
    held &= np.isin(cells.perturbation, perturbations)
    pairs = np.where(held, cells.perturbation * cells.n_contexts + cells.perturbed_context, -1)
    counts = np.bincount(pairs[held])
    kept = np.flatnonzero(counts >= _MIN_CELLS)
    if not len(kept):
        return None
    perturbed, perturbed_groups = _even(pairs, kept, rng)
    home = np.searchsorted(contexts, kept % cells.n_contexts)
    z = np.concatenate([cells.control[control], cells.perturbed[perturbed]])
    groups = np.concatenate([control_groups, n + perturbed_groups])
    matrix = euclidean(z, z)
    np.fill_diagonal(matrix, 0.0)
    folds = balanced_folds(groups, n_folds=_N_FOLDS, rng=rng)
    table = energy_table(matrix, groups, n_groups=n + len(kept), folds=folds)
    whole = _both(table, n, home)
    without = np.stack([_both(table, n, home, without=fold) for fold in range(_N_FOLDS)])
    m = len(control)
    p, null_variance = _permutation_p(
        matrix[:m, :m], control_groups, cells.control_strata[control], n=n_permutations, rng=rng
    )
    return NoiseToSignal(
        ratio=Ratio(whole, without, null_variance=null_variance),
        p=p,
        contexts=contexts,
        perturbations=perturbations,
        between=table.energy()[:n, :n],
        n_cells=len(z),
    )


def _largest(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the groups with most cells, three at least, sorted by code."""
    counts = np.bincount(codes[codes >= 0])
    largest = np.argsort(-counts, kind="stable")[:_MAX_GROUPS]
    return np.sort(largest[counts[largest] >= _MIN_CELLS])


def _even(
    codes: NDArray[np.int64], groups: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the same number of cells from each group where they have so many; return cells and position of their group."""
    size = max(_MAX_CELLS // len(groups), _MIN_CELLS)
    parts = [drawn_cells(np.flatnonzero(codes == code), size, rng) for code in groups]
    return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def _both(table: EnergyTable, n: int, home: NDArray[np.int64], *, without: int | None = None) -> NDArray[np.float64]:
    """Numerator and denominator `(2,)`."""
    energy = table.energy(without)
    counts = table.counts.sum(axis=1)
    noise = _weighted(energy[:n, :n], counts[:n])
    groups = n + np.arange(len(home))
    weights = counts[groups] * counts[home] / (counts[groups] + counts[home])
    return np.array([noise, float(weights @ energy[groups, home] / weights.sum())])


def _weighted(energy: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    a, b = np.triu_indices(len(counts), k=1)
    weights = counts[a] * counts[b] / (counts[a] + counts[b])
    return float(weights @ energy[a, b] / weights.sum())


def _permutation_p(
    matrix: NDArray[np.float64],
    groups: NDArray[np.int64],
    strata: NDArray[np.int64],
    *,
    n: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """p-value of the numerator under shuffled contexts, and its variance there."""
    n_groups = int(groups.max()) + 1
    counts = np.bincount(groups).astype(np.float64)
    pairs = np.outer(counts, counts) - np.diag(counts)
    drawn = []
    for codes in (groups, *shuffled_within(groups, strata, n_shuffles=n, rng=rng)):
        one_hot = np.eye(n_groups)[codes]
        mean = one_hot.T @ (matrix @ one_hot) / pairs
        within = np.diag(mean)
        drawn.append(_weighted(2 * mean - within[:, None] - within[None, :], counts))
    hits = sum(value >= drawn[0] - 1e-9 * abs(drawn[0]) for value in drawn[1:])
    return (1 + hits) / len(drawn), float(np.var(drawn[1:]))
