"""The gate: whether a residual beats its base on held-out perturbations, and by how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ._conditions import Conditions
from ._genes import GeneSpace
from ._network import Member, Network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.injection import InjectionSpec
    from perturbridge.values import GeneEmbedding, PerturbationName

    from ._settings import ResponseSettings

__all__ = ["Gate", "GatedHead", "weigh"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Gate:
    """What held-out perturbations say.

    Parameters
    ----------
    gate
        ρ in [0, 1]; exactly 0 where the residual was not kept.
    crossed
        ρ from the other perturbations, for each `(n_rows,)`: what its own gain was measured with.
    gain, gain_se
        Mean over perturbations of what the squared error falls by, as a share of the mean squared error of the base, and its standard error.
    """

    gate: float
    crossed: NDArray[np.float64]
    gain: float
    gain_se: float

    @property
    def kept(self) -> bool:
        """True where the residual is part of the model."""
        return self.gate > 0


def weigh(
    along: NDArray[np.float64],
    squared: NDArray[np.float64],
    error: NDArray[np.float64],
    *,
    weights: NDArray[np.float64],
) -> Gate:
    """ρ = clip(Σ w ⟨Δz − B, R⟩ / Σ w ‖R‖²), kept where the gain exceeds its standard error.

    Each perturbation is judged with the ρ of all others, so that choosing ρ does not count as a gain.

    Parameters
    ----------
    along, squared, error
        ⟨Δz − B, R⟩, ‖R‖² and ‖Δz − B‖² of each held-out perturbation, mean over its cells `(n_rows,)`.
    weights
        Of the perturbations `(n_rows,)`.
    """
    a, c = weights * along, weights * squared

    def best(up: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(np.divide(up, down, out=np.zeros_like(up), where=down > 0), 0.0, 1.0)

    crossed = best(a.sum() - a, c.sum() - c)
    gain = 2.0 * crossed * a - crossed**2 * c
    unit = float((weights * error).mean()) or 1.0
    mean, se = float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain)))
    whole = float(best(a.sum(keepdims=True), c.sum(keepdims=True))[0])
    return Gate(
        gate=whole if mean > se else 0.0,
        crossed=crossed,
        gain=mean / unit,
        gain_se=se / unit,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class GatedHead:
    """ρ R, R being the mean of the networks that learnt without each fold; of a training row the one that did not see its fold.

    Parameters
    ----------
    gate
        ρ.
    folds
        Networks.
    """

    gate: float
    folds: tuple[Member, ...]

    def residual(
        self,
        name: PerturbationName,
        x: NDArray[np.floating],
        base: NDArray[np.floating],
        *,
        fold: int | None = None,
    ) -> NDArray[np.float32]:
        """ρ R of one perturbation at cells `(n_cells, n_dims)`; with a fold by the network that did not see it."""
        members = self.folds if fold is None else self.folds[fold : fold + 1]
        total = sum((member.residual(name, x, base) for member in members), np.zeros((), dtype=np.float32))
        return np.asarray(total * np.float32(self.gate / len(members)))

    def pack(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return plain JSON types and arrays."""
        arrays: dict[str, NDArray[Any]] = {}
        texts = []
        for i, member in enumerate(self.folds):
            space = member.conditions.space
            texts.append(
                {
                    "scale": member.scale,
                    "told_scale": member.conditions.scale,
                    "lengths": space.lengths,
                    "scales": space.scales,
                    "shares": space.shares,
                }
            )
            arrays |= {f"{i}.spread": member.spread, f"{i}.basis": member.conditions.basis}
            arrays |= {f"{i}.center{s}": value for s, value in enumerate(space.centers)}
            arrays |= {f"{i}.middle{s}": value for s, value in enumerate(space.middles)}
            arrays |= {f"{i}.net.{key}": value.numpy() for key, value in member.network.state_dict().items()}
        return {"gate": self.gate, "members": texts}, arrays

    @classmethod
    def unpack(
        cls,
        text: dict[str, Any],
        arrays: dict[str, NDArray[Any]],
        *,
        injection: InjectionSpec,
        settings: ResponseSettings,
        sources: Sequence[GeneEmbedding],
    ) -> GatedHead:
        """Build it back.

        Raises
        ------
        KeyError, TypeError, ValueError, RuntimeError
            If a part is missing or does not fit.
        """
        members = [
            _member(
                each,
                {key.split(".", 1)[1]: value for key, value in arrays.items() if key.startswith(f"{i}.")},
                injection=injection,
                settings=settings,
                sources=sources,
            )
            for i, each in enumerate(text["members"])
        ]
        return cls(gate=float(text["gate"]), folds=tuple(members))


def _member(
    text: dict[str, Any],
    arrays: dict[str, NDArray[Any]],
    *,
    injection: InjectionSpec,
    settings: ResponseSettings,
    sources: Sequence[GeneEmbedding],
) -> Member:
    space = GeneSpace(
        sources=tuple(sources),
        centers=tuple(arrays[f"center{s}"] for s in range(len(sources))),
        middles=tuple(arrays[f"middle{s}"] for s in range(len(sources))),
        lengths=tuple(float(length) for length in text["lengths"]),
        scales=tuple(float(scale) for scale in text["scales"]),
        shares=tuple(float(share) for share in text["shares"]),
    )
    conditions = Conditions(space=space, basis=arrays["basis"], scale=float(text["told_scale"]))
    spread = arrays["spread"]
    network = Network(
        injection,
        settings,
        n_dims=len(spread),
        n_condition=conditions.n,
        source=torch.Generator().manual_seed(0),
    )
    weights = {
        key.removeprefix("net."): torch.from_numpy(value.copy())
        for key, value in arrays.items()
        if key.startswith("net.")
    }
    network.load_state_dict(weights)
    return Member(network=network, conditions=conditions, spread=spread, scale=float(text["scale"]))
