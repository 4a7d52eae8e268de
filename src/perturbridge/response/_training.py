"""Training the residual: bases that never saw the perturbation in, debiased displacements out, early stop on other perturbations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ._clouds import Clouds
from ._network import Member, Network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from perturbridge.injection import InjectionSpec
    from perturbridge.values import PerturbationName

    from ._conditions import Conditions
    from ._energy import Matched
    from ._settings import ResponseSettings

__all__ = ["Lesson", "train"]

_STOP_SHARE = 0.2
_CELLS_TO_STOP = 128


@dataclass(frozen=True, eq=False, kw_only=True)
class Lesson:
    """What a residual learns from.

    Parameters
    ----------
    names
        Perturbations.
    x
        Control cells, centred coordinates `(n_cells, n_dims)`.
    base, target
        Left-out base and aligned displacement there `(n_names, n_cells, n_dims)`.
    weights
        Of the perturbations `(n_names,)`.
    pairs
        Perturbed cells of each, with controls among the cells.
    conditions
        What the network is told.
    """

    names: Sequence[PerturbationName]
    x: NDArray[np.float64]
    base: NDArray[np.float32]
    target: NDArray[np.float32]
    weights: NDArray[np.float64]
    pairs: Sequence[Matched | None]
    conditions: Conditions

    def member(self, spec: InjectionSpec, settings: ResponseSettings, *, source: torch.Generator) -> Member:
        """Return an untrained network, whose residual is 0."""
        n_dims = self.x.shape[1]
        network = Network(spec, settings, n_dims=n_dims, n_condition=self.conditions.n, source=source)
        spread = self.x.std(axis=0)
        return Member(
            network=network,
            conditions=self.conditions,
            spread=np.where(spread > 0, spread, 1.0).astype(np.float32),
            scale=float(np.sqrt((self.target.astype(np.float64) ** 2).mean())) or 1.0,
        )


class _Tensors:
    """A lesson in the units of a member."""

    def __init__(self, lesson: Lesson, member: Member) -> None:
        self.x = torch.from_numpy((lesson.x / member.spread).astype(np.float32))
        self.base = torch.from_numpy(lesson.base / np.float32(member.scale))
        self.target = torch.from_numpy(lesson.target / np.float32(member.scale))
        self.told = torch.from_numpy(lesson.conditions.at(lesson.names))
        self.weights = torch.from_numpy((lesson.weights / lesson.weights.mean()).astype(np.float32))
        # Distances are taken in the unit of displacements, in which cells are `stretch · x`.
        self.stretch = torch.from_numpy(member.spread / np.float32(member.scale))
        self.clouds = Clouds.of(lesson.pairs, n_dims=lesson.x.shape[1], scale=member.scale)

    def loss(self, network: Network, rows: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted squared error per dimension, and squared residual, at cells `(n_cells,)` or at some of each row `(n_rows, n_cells)`."""
        moves, residual = self.moves(network, rows, cells.expand(len(rows), -1))
        error = (moves - self.target[rows[:, None], cells]) ** 2
        return (self.weights[rows] * error.mean(dim=(1, 2))).mean(), (residual**2).mean()

    def moves(self, network: Network, rows: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Base and residual together, and the residual alone `(n_rows, n_cells, n_dims)`."""
        base = self.base[rows[:, None], cells]
        residual = network(self.x[cells], base, self.told[rows][:, None].expand(*cells.shape, -1))
        return base + residual, residual

    def energy(self, network: Network, rows: Tensor, *, n: int, source: torch.Generator) -> Tensor:
        """Mean energy distance between moved controls and perturbed cells, over those rows that have enough."""
        drawn = self.clouds.draw(rows, n, source=source)
        if drawn is None:
            return torch.zeros(())
        moves, _ = self.moves(network, drawn.rows, drawn.controls)
        return drawn.distance(self.x[drawn.controls] * self.stretch + moves)


def train(lesson: Lesson, spec: InjectionSpec, settings: ResponseSettings, *, seed: int) -> tuple[Member, int]:
    """Train a residual; return it as it was after its best epoch, and which that was (0: untrained).

    Parameters
    ----------
    lesson
        Perturbations to learn from.
    spec, settings
        How.
    seed
        Draws weights, batches, and the fifth of the perturbations that is held back: it stops when their error no longer falls.
    """
    source = torch.Generator().manual_seed(seed)
    member = lesson.member(spec, settings, source=source)
    data, network = _Tensors(lesson, member), member.network
    order = torch.randperm(len(lesson.names), generator=source)
    n_stop = max(1, round(_STOP_SHARE * len(order)))
    stop, rows = order[:n_stop], order[n_stop:]
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    look = torch.randperm(len(lesson.x), generator=source)[:_CELLS_TO_STOP]
    best, best_epoch, kept = _watched(data, network, stop=stop, look=look), 0, _copy(network)
    for epoch in range(1, settings.epochs + 1):
        _pass(data, network, rows, settings=settings, optimizer=optimizer, source=source)
        now = _watched(data, network, stop=stop, look=look)
        if now < best:
            best, best_epoch, kept = now, epoch, _copy(network)
        elif epoch - best_epoch >= settings.patience:
            break
    network.load_state_dict(kept)
    return member, best_epoch


def _watched(data: _Tensors, network: Network, *, stop: Tensor, look: Tensor) -> float:
    with torch.no_grad():
        return float(data.loss(network, stop, look)[0])


def _copy(network: Network) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in network.state_dict().items()}


def _pass(
    data: _Tensors,
    network: Network,
    rows: Tensor,
    *,
    settings: ResponseSettings,
    optimizer: torch.optim.Optimizer,
    source: torch.Generator,
) -> None:
    """One pass over the perturbations."""
    order = rows[torch.randperm(len(rows), generator=source)]
    for start in range(0, len(order), settings.perturbations_at_once):
        batch = order[start : start + settings.perturbations_at_once]
        cells = torch.randperm(len(data.x), generator=source)[: settings.cells_at_once]
        error, size = data.loss(network, batch, cells)
        loss = error + settings.size * size
        if settings.energy > 0:
            loss = loss + settings.energy * data.energy(network, batch, n=settings.energy_cells, source=source)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
