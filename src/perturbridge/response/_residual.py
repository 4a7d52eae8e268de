"""Trying a residual: trained without each fold and judged on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ._conditions import Conditions
from ._gate import Gate, GatedHead, weigh
from ._targets import joined
from ._training import Lesson, train

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from perturbridge.injection import InjectionSpec

    from ._fitting import Known
    from ._folds import CrossFit
    from ._ridge import RowRidge
    from ._settings import ResponseSettings

__all__ = ["Tried", "try_residual"]

_SEEDS = 41


@dataclass(frozen=True, eq=False, kw_only=True)
class Tried:
    """How it went.

    Parameters
    ----------
    gate
        What held-out perturbations say.
    residuals
        ρ R of each held-out row at the sample, ρ from the other rows `(n_rows, n_cells, n_dims)`, float32.
    head
        The residual, None where it was not kept.
    epochs
        Best epoch without each fold.
    """

    gate: Gate
    residuals: NDArray[np.float32]
    head: GatedHead | None
    epochs: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        gate = self.gate
        return {
            "tried": True,
            "kept": gate.kept,
            "gate": gate.gate,
            "gain": gate.gain,
            "gain_se": gate.gain_se,
            "epochs": list(self.epochs),
            "reason": (
                f"held-out squared error changes by {-gate.gain:+.1%} ± {gate.gain_se:.1%} of that of its base: "
                + ("kept" if gate.kept else "not a gain beyond its standard error, so the base alone is used")
            ),
        }


def try_residual(
    known: Known,
    held: CrossFit,
    *,
    spec: InjectionSpec,
    settings: ResponseSettings,
    progress: Callable[[int, int], None] | None = None,
) -> Tried:
    """Cross-fit the residual over the folds of the base, and set the gate."""
    read = known.prototypes.weights(known.sample.x, known.sample.strata)
    n = len(known.at_sample)
    residuals, sums = np.zeros_like(known.at_sample), np.empty((n, 3))
    members, epochs = [], []
    seeds = np.random.SeedSequence((_SEEDS, settings.seed)).generate_state(len(held.folds))
    for f, (rows, own) in enumerate(zip(held.folds, held.ridges, strict=True)):
        rest = np.setdiff1d(np.arange(n), rows)
        lesson = _lesson(known, own, rest, read=read, settings=settings)
        member, epoch = train(lesson, spec, settings, seed=int(seeds[f]))
        base = _at_sample(joined(held.weights[:, rows], known.at_prototypes, known.prototypes), read)
        for i, here in zip(rows, base, strict=True):
            residuals[i] = member.residual(known.alignment.perturbations[i], known.sample.x, here)
            sums[i] = _sums(known.at_sample[i], here, residuals[i])
        members.append(member)
        epochs.append(epoch)
        if progress is not None:
            progress(f + 1, len(held.folds))
    along, squared, error = sums.T
    gate = weigh(along, squared, error, weights=known.weights)
    head = GatedHead(gate=gate.gate, folds=tuple(members)) if gate.kept else None
    crossed = residuals * gate.crossed[:, None, None].astype(np.float32)
    return Tried(gate=gate, residuals=crossed, head=head, epochs=tuple(epochs))


def _at_sample(at_prototypes: NDArray[np.float64], read: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.stack([read @ each for each in at_prototypes]).astype(np.float32)


def _lesson(
    known: Known,
    ridge: RowRidge,
    rows: NDArray[np.int64],
    *,
    read: NDArray[np.float64],
    settings: ResponseSettings,
) -> Lesson:
    """Left-out bases of the rows a ridge was fitted on: none has seen the displacement it is to be corrected towards."""
    at_prototypes = joined(ridge.left_out_weights(), known.at_prototypes[rows], known.prototypes)
    return Lesson(
        names=ridge.names,
        x=known.sample.x,
        base=_at_sample(at_prototypes, read),
        target=known.at_sample[rows],
        weights=known.weights[rows],
        pairs=[known.pairs[i] for i in rows],
        conditions=Conditions.of(ridge.space, ridge.design.genes, n=settings.n_condition),
    )


def _sums(
    target: NDArray[np.float32], base: NDArray[np.float32], residual: NDArray[np.float32]
) -> tuple[float, float, float]:
    """⟨Δz − B, R⟩, ‖R‖² and ‖Δz − B‖², mean over cells."""
    off, r = (target - base).astype(np.float64), residual.astype(np.float64)
    return tuple(float((a * b).sum(axis=1).mean()) for a, b in ((off, r), (r, r), (off, off)))  # type: ignore[return-value]
