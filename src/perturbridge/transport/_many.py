"""Many perturbations against the same controls, on any workers."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.workers import as_workers, map_alike

from ._perturbation import align_perturbation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from ._cells import TrainingCells
    from ._perturbation import PerturbationAligned, Perturbed
    from ._prepared import Stratum
    from ._settings import AlignmentSettings

    Batch = tuple[tuple[Perturbed, np.random.Generator], ...]

__all__ = ["Beside", "align_many"]

# A quarter of a second of work: next to it neither sending a task nor a worker that is lost with it costs much.
_CELLS_OF_TASK = 4_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Beside:
    """What perturbed cells are set against, the same for every perturbation.

    Parameters
    ----------
    strata
        Controls, ready.
    states
        State of each stratum.
    context_controls
        Controls behind the centre of each context `(n_contexts,)`.
    settings
        Of the alignment.
    """

    strata: tuple[Stratum, ...]
    states: tuple[str, ...]
    context_controls: NDArray[np.int64]
    settings: AlignmentSettings

    @classmethod
    def of(cls, cells: TrainingCells, strata: Sequence[Stratum], settings: AlignmentSettings) -> Beside:
        """Take along what plans need of the training cells, and none of the perturbed ones."""
        return cls(
            strata=tuple(strata),
            states=tuple(state for _, state in cells.strata),
            context_controls=np.bincount(cells.x_context, minlength=len(cells.contexts)),
            settings=settings,
        )


def align_many(
    perturbed: Sequence[Perturbed],
    rngs: Sequence[np.random.Generator],
    *,
    beside: Beside,
    client: object = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[PerturbationAligned]:
    """Align each perturbation by itself, a few of them to a task; which ones share a task changes nothing.

    Parameters
    ----------
    perturbed, rngs
        Cells of each, and what draws its halves.
    beside
        What they are set against; it travels once to each worker.
    client
        As in `as_workers`.
    progress
        Called with perturbations done, about, and in all.
    """
    workers = as_workers(client)
    # One process sends nothing, and can say of every perturbation that it is done.
    n, batches = len(perturbed), list(_batches(perturbed, rngs, n_cells=_CELLS_OF_TASK if workers.n > 1 else 1))

    def tell(done: int, _: int) -> None:
        if progress is not None:
            progress(n * done // len(batches), n)

    return [one for batch in map_alike(workers, _align_batch, batches, shared=beside, progress=tell) for one in batch]


def _batches(perturbed: Sequence[Perturbed], rngs: Sequence[np.random.Generator], *, n_cells: int) -> Iterator[Batch]:
    batch: Batch = ()
    for pair in zip(perturbed, rngs, strict=True):
        batch = (*batch, pair)
        if sum(len(one.y) for one, _ in batch) >= n_cells:
            yield batch
            batch = ()
    if batch:
        yield batch


def _align_batch(batch: Batch, beside: Beside) -> list[PerturbationAligned]:
    return [
        align_perturbation(
            one,
            beside.strata,
            states=beside.states,
            context_controls=beside.context_controls,
            settings=beside.settings,
            # A task may run twice, and must not draw on from where it stopped.
            rng=deepcopy(rng),
        )
        for one, rng in batch
    ]
