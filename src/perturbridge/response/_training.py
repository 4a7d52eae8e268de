"""Training the residual: bases that never saw the perturbation in, debiased displacements out, early stop on other perturbations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ._energy import pair_weights
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
_SMALLEST = 1e-12


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
        self.pairs = lesson.pairs
        # Distances are taken in the unit of displacements, in which cells are `stretch · x`.
        self.stretch = torch.from_numpy(member.spread / np.float32(member.scale))
        self.scale = member.scale

    def loss(self, network: Network, rows: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted squared error per dimension, and squared residual."""
        shape = (len(rows), len(cells))
        x = self.x[cells].expand(*shape, -1)
        base = self.base[rows[:, None], cells]
        residual = network(x, base, self.told[rows][:, None].expand(*shape, -1))
        error = (base + residual - self.target[rows[:, None], cells]) ** 2
        return (self.weights[rows] * error.mean(dim=(1, 2))).mean(), (residual**2).mean()

    def energy(self, network: Network, rows: Tensor, *, n: int, source: torch.Generator) -> Tensor:
        """Mean energy distance between moved controls and perturbed cells, over those rows that have any."""
        found = []
        for row in rows.tolist():
            pair = self.pairs[row]
            if pair is None:
                continue
            chosen = torch.randperm(len(pair.controls), generator=source)[:n]
            controls = torch.from_numpy(pair.controls)[chosen]
            goal = torch.from_numpy((pair.x / self.scale).astype(np.float32))[chosen]
            base = self.base[row, controls]
            told = self.told[row].expand(len(controls), -1)
            moved = self.x[controls] * self.stretch + base + network(self.x[controls], base, told)
            weights = torch.from_numpy(pair_weights(pair.strata[chosen.numpy()]).astype(np.float32))
            found.append(2.0 * _gaps(moved, goal).mean() - (weights * _gaps(moved, moved)).sum())
        return torch.stack(found).mean() if found else torch.zeros(())


def _gaps(a: Tensor, b: Tensor) -> Tensor:
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2.0 * a @ b.T
    return squared.clamp_min(_SMALLEST).sqrt()


def train(
    lesson: Lesson, spec: InjectionSpec, settings: ResponseSettings, *, seed: int, epochs: int | None = None
) -> tuple[Member, int]:
    """Train a residual; return it as it was after its best epoch, and which that was (0: untrained).

    Parameters
    ----------
    lesson
        Perturbations to learn from.
    spec, settings
        How.
    seed
        Draws weights, the perturbations that stop it, and batches.
    epochs
        Train on all perturbations for so many epochs; None: hold a fifth of them back, and stop when their error no longer falls.
    """
    source = torch.Generator().manual_seed(seed)
    member = lesson.member(spec, settings, source=source)
    data, network = _Tensors(lesson, member), member.network
    order = torch.randperm(len(lesson.names), generator=source)
    n_stop = 0 if epochs is not None else max(1, round(_STOP_SHARE * len(order)))
    stop, rows = order[:n_stop], order[n_stop:]
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    look = torch.randperm(len(lesson.x), generator=source)[:_CELLS_TO_STOP]
    best, best_epoch, kept = _watched(data, network, stop=stop, look=look), 0, _copy(network)
    for epoch in range(1, (settings.epochs if epochs is None else epochs) + 1):
        _pass(data, network, rows, settings=settings, optimizer=optimizer, source=source)
        now = _watched(data, network, stop=stop, look=look)
        if epochs is not None or now < best:
            best, best_epoch, kept = now, epoch, _copy(network)
        elif epoch - best_epoch >= settings.patience:
            break
    network.load_state_dict(kept)
    return member, best_epoch


def _watched(data: _Tensors, network: Network, *, stop: Tensor, look: Tensor) -> float:
    if not len(stop):
        return 0.0
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
            loss = loss + settings.energy * data.energy(network, batch, n=settings.cells_at_once, source=source)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
