"""Rank tests from files: cells of each perturbation beside a sample of the real controls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._rng import as_rng
from perturbridge.errors import DataError
from perturbridge.evaluation import contrast_of_ranks
from perturbridge.values import CONTROL_CODE, Finding

from ._clouds import values_of_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from perturbridge.evaluation import Contrast
    from perturbridge.values import Effects, PerturbationName, Screen

    from ._candidates import Candidate

    Cells = NDArray[np.float32]

__all__ = ["rank_tested", "real_rank_contrast"]

_MOST_CONTROLS = 4000
_MOST_ENTRIES = 100_000_000


def real_rank_contrast(screen: Screen, effects: Effects, names: Sequence[PerturbationName], *, seed: int) -> Contrast:
    """Test the real cells of these perturbations; rows as named, genes as in the screen.

    Parameters
    ----------
    screen
        The cells.
    effects
        Their effects, for the changes.
    names
        Perturbations to test.
    seed
        Draws the controls where there are more than 4,000.
    """
    return contrast_of_ranks(effects.delta[effects.rows(names)], _cells_of(screen, names), _controls(screen, seed=seed))


def rank_tested(candidate: Candidate, screen: Screen | None, *, seed: int) -> Candidate:
    """Return the candidate with calls of its own cells against the real controls; as it is where it has none.

    Raises
    ------
    DataError
        If there are no real cells to test against.
    """
    if screen is None:
        problem = "Ranks need cells, and what was measured holds effects alone."
        raise DataError(problem, cure="Pass the screen itself with --de-test wilcoxon, or use --de-test welch.")
    cells, predicted, prediction = candidate.cells, candidate.screen, candidate.prediction
    if cells is None or predicted is None:
        return candidate
    place = {gene: i for i, gene in enumerate(predicted.genes)}
    order = np.array([place[gene] for gene in screen.genes], dtype=np.int64)
    back = np.argsort(order)
    # Tested over the genes of the screen, kept in the order of the prediction.
    tested = contrast_of_ranks(
        prediction.delta[:, order],
        (own[:, order] for own in _cells_of(predicted, prediction.perturbations)),
        _controls(screen, seed=seed),
    ).take(back)
    return replace(candidate, cells=replace(cells, contrast=tested), findings=(*candidate.findings, *_caveats(screen)))


def _caveats(screen: Screen) -> list[Finding]:
    """Say so where not all controls are ranked, or cells of several contexts are ranked together."""
    found, n = [], int((screen.perturbation_codes == CONTROL_CODE).sum())
    if n > _MOST_CONTROLS:
        message = f"Rank tests use {_MOST_CONTROLS:,} of {n:,} control cells, drawn at random."
        found.append(Finding(level="info", code="controls_sampled", message=message, count=n))
    n_contexts = 0 if screen.context is None else len(screen.context.categories)
    if n_contexts > 1:
        message = (
            f"Rank tests take the cells of {n_contexts} contexts together, so a difference between contexts can look like an effect; "
            "Welch's test matches them."
        )
        found.append(Finding(level="warning", code="contexts_pooled", message=message, count=n_contexts))
    return found


def _controls(screen: Screen, *, seed: int) -> Cells:
    rows = np.flatnonzero(screen.perturbation_codes == CONTROL_CODE)
    if len(rows) > _MOST_CONTROLS:
        rows = np.sort(as_rng(seed).choice(rows, size=_MOST_CONTROLS, replace=False))
    return values_of_cells(screen, rows).astype(np.float32)


def _cells_of(screen: Screen, names: Sequence[PerturbationName]) -> Iterator[Cells]:
    """Yield the cells of each perturbation, reading the file once for as many of them as fit in memory."""
    position = {name: i for i, name in enumerate(screen.perturbations)}
    rows = [np.flatnonzero(screen.perturbation_codes == position[name]) for name in names]
    most, start = max(1, _MOST_ENTRIES // max(screen.n_genes, 1)), 0
    while start < len(rows):
        stop, n = start + 1, len(rows[start])
        while stop < len(rows) and n + len(rows[stop]) <= most:
            n += len(rows[stop])
            stop += 1
        together = np.unique(np.concatenate(rows[start:stop]))
        values = values_of_cells(screen, together).astype(np.float32)
        for own in rows[start:stop]:
            yield values[np.searchsorted(together, own)]
        start = stop
