"""What held-out perturbations say of base and residual: gate, ladder, errors."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ._energy import moved_distances
from ._ladder import Ladder, Scores, rung_of
from ._residual import try_residual
from ._targets import joined, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from perturbridge.injection import InjectionSpec

    from ._fitting import Known
    from ._folds import CrossFit
    from ._gate import GatedHead
    from ._settings import ResponseSettings

__all__ = ["Top", "climb"]

_ROWS_AT_ONCE = 64

NOT_TRIED: Mapping[str, Any] = MappingProxyType(
    {"tried": False, "kept": False, "gate": 0.0, "reason": "no injection was asked for"}
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Top:
    """What stands at the end of the ladder.

    Parameters
    ----------
    ladder
        Its steps.
    errors
        Root mean square error over cells of each row when held out `(n_rows,)`.
    head
        The residual, where it was kept.
    report
        What was tried and why it was kept or not, plain JSON types.
    """

    ladder: Ladder
    errors: NDArray[np.float64]
    head: GatedHead | None
    report: Mapping[str, Any]


def climb(
    known: Known,
    held: CrossFit,
    *,
    injection: InjectionSpec | None,
    settings: ResponseSettings,
    progress: Callable[[int, int], None] | None = None,
) -> Top:
    """Score every step on held-out perturbations."""
    read = known.prototypes.weights(known.sample.x, known.sample.strata)
    tried = None
    if injection is not None:
        tried = try_residual(known, held, spec=injection, settings=settings, progress=progress)
    names = ("zero", "mean shift", "ridge, mean", "ridge, cells", *(("residual",) if tried else ()))
    scores: dict[str, list[Scores]] = {name: [] for name in names}
    errors = np.empty(len(known.at_sample))
    for i, (target, steps) in enumerate(zip(known.at_sample, _moves(known, held, read), strict=True)):
        moves = [*steps, steps[-1] + tried.residuals[i]] if tried else steps
        distances = moved_distances(known.sample.x, moves, known.pairs[i])
        for name, move, distance in zip(names, moves, distances, strict=True):
            scores[name].append(Scores.of(move, target, energy=(distance, distances[0])))
        final = moves[-1] if tried is None or tried.head is not None else steps[-1]
        errors[i] = np.sqrt(((final - target) ** 2).sum(axis=1).mean())
    rungs = tuple(rung_of(name, Scores.joined(rows)) for name, rows in scores.items())
    ladder = Ladder(rungs=rungs, n_perturbations=len(errors), n_cells=len(known.sample.x))
    if tried is None:
        return Top(ladder=ladder, errors=errors, head=None, report=NOT_TRIED)
    return Top(ladder=ladder, errors=errors, head=tried.head, report=tried.as_json())


def _moves(known: Known, held: CrossFit, read: NDArray[np.float64]) -> Iterator[list[NDArray[np.float64]]]:
    """Predictions of each step for one held-out row after the other, each at the sample `(n_cells, n_dims)`."""
    y, prototypes = known.at_prototypes, known.prototypes
    averages = held.average @ split(y, prototypes)[0]
    zero = np.zeros((len(read), y.shape[2]))
    for start in range(0, len(y), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        bases = joined(held.weights[:, part], y, prototypes)
        for average, base in zip(averages[part], bases, strict=True):
            yield [zero, zero + average, zero + split(base, prototypes)[0], read @ base]
