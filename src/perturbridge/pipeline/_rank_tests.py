"""Rank tests from files: cells of each perturbation beside a sample of the real controls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._rng import as_rng
from perturbridge.errors import DataError
from perturbridge.evaluation import adjust_calls, rank_test
from perturbridge.values import CONTROL_CODE, Finding
from perturbridge.workers import as_workers, map_alike

from ._clouds import stretches_of_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from perturbridge.evaluation import Contrast
    from perturbridge.values import Effects, PerturbationName, Screen

    from ._candidates import Candidate

    Cells = NDArray[np.float32]

__all__ = ["rank_tested", "real_rank_contrast"]

_MOST_CONTROLS = 4000
_MOST_STORED = 25_000_000
# Tasks of a worker: enough to even out their speed, few enough that the file is not read much more often.
_TASKS_PER_WORKER = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class _Ranked:
    """What all tasks share: the cells, the order in which their genes are tested, and control cells in that order."""

    screen: Screen
    genes: NDArray[np.int64]
    controls: Cells


def real_rank_contrast(
    screen: Screen, effects: Effects, names: Sequence[PerturbationName], *, seed: int, client: object = None
) -> Contrast:
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
    client
        As in `as_workers`; each worker reads the cells of its own perturbations.
    """
    order = np.arange(screen.n_genes)
    ranked = _Ranked(screen=screen, genes=order, controls=_controls(screen, seed=seed))
    return adjust_calls(effects.delta[effects.rows(names)], *_tested(ranked, names, client=client))


def rank_tested(candidate: Candidate, screen: Screen | None, *, seed: int, client: object = None) -> Candidate:
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
    ranked = _Ranked(screen=predicted, genes=order, controls=_controls(screen, seed=seed))
    size, p = _tested(ranked, prediction.perturbations, client=client)
    tested = adjust_calls(prediction.delta[:, order], size, p).take(back)
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
    return np.asarray(_stored(screen, rows).toarray())


def _stored(screen: Screen, rows: NDArray[np.int64]) -> csr_matrix[np.float32]:
    """log1p values of these cells, ascending, as they are stored: without the zeros."""
    from scipy import sparse

    return sparse.csr_matrix(sparse.vstack([part.astype(np.float32) for part in stretches_of_cells(screen, rows)]))


def _tested(
    ranked: _Ranked, names: Sequence[PerturbationName], *, client: object
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Size and p of every gene of every perturbation, each in the order of the names."""
    workers = as_workers(client)
    n_tasks = 1 if workers.here else _TASKS_PER_WORKER * workers.n
    tasks = _groups(ranked.screen, names, n_tasks=n_tasks)
    if not workers.here:
        # A screen travels as where to read it.
        ranked = replace(ranked, screen=ranked.screen.part(0, ranked.screen.n_cells))
    found = [one for group in map_alike(workers, _test_group, tasks, shared=ranked) for one in group]
    shape = (len(names), len(ranked.genes))
    size, p = (np.array([one[k] for one in found], dtype=np.float64).reshape(shape) for k in (0, 1))
    return size, p


def _groups(screen: Screen, names: Sequence[PerturbationName], *, n_tasks: int) -> list[tuple[NDArray[np.int64], ...]]:
    """Cut the perturbations into groups whose stored values fit in 200 MB, about `n_tasks` of them; each is the rows of its perturbations.

    The file is read once for a group.
    """
    position = {name: i for i, name in enumerate(screen.perturbations)}
    rows = [np.flatnonzero(screen.perturbation_codes == position[name]) for name in names]
    ends = screen.source.row_ends()
    n_stored = [
        len(own) * screen.n_genes if ends is None else int((ends[own] - np.where(own, ends[own - 1], 0)).sum())
        for own in rows
    ]
    most = min(_MOST_STORED, sum(n_stored) // n_tasks)
    groups: list[tuple[NDArray[np.int64], ...]] = []
    held = 0
    for own, n in zip(rows, n_stored, strict=True):
        held += n
        if groups and held <= most:
            groups[-1] = (*groups[-1], own)
        else:
            groups.append((own,))
            held = n
    return groups


def _test_group(
    group: tuple[NDArray[np.int64], ...], ranked: _Ranked
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    together = np.unique(np.concatenate(group))
    values = _stored(ranked.screen, together)
    return [
        rank_test(values[np.searchsorted(together, own)].toarray()[:, ranked.genes], ranked.controls) for own in group
    ]
