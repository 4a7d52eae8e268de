"""The ladder: what every step towards the model gains on held-out perturbations, from no effect up."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Ladder", "Rung", "Scores", "rung_of"]


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One step; each figure with the standard error of a jackknife over perturbations, NaN where it cannot be told.

    Parameters
    ----------
    name
        Which.
    error, error_se
        √(Σ ‖Δ̂z − Δz‖² / Σ ‖Δz‖²) over cells and held-out perturbations, Δz being that of the alignment; 1 for no effect, lower is better.
    heterogeneity, heterogeneity_se
        Correlation of Δ̂z and Δz over cells, each less its mean over the cells of its perturbation, in [-1, 1].
    energy, energy_se
        Σ energy distance of moved controls to perturbed cells over that of controls left where they are; lower is better, 0 in
        expectation for the truth.
    """

    name: str
    error: float
    error_se: float
    heterogeneity: float
    heterogeneity_se: float
    energy: float
    energy_se: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Ladder:
    """Steps on the same held-out perturbations and cells.

    Parameters
    ----------
    rungs
        `"zero"`, `"mean shift"` (of the training perturbations), `"ridge, mean"` (one displacement for all cells), `"ridge, cells"`, and
        where a head was tried `"residual"`.
    n_perturbations, n_cells
        Over which.
    """

    rungs: tuple[Rung, ...]
    n_perturbations: int
    n_cells: int

    def rung(self, name: str) -> Rung:
        """Return a step by name; raises KeyError if there is none."""
        return {rung.name: rung for rung in self.rungs}[name]

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types, NaN as null."""
        rows = [
            {k: None if isinstance(v, float) and isnan(v) else v for k, v in asdict(rung).items()}
            for rung in self.rungs
        ]
        return {"rungs": rows, "n_perturbations": self.n_perturbations, "n_cells": self.n_cells}

    @classmethod
    def from_json(cls, about: dict[str, Any]) -> Ladder:
        """Build a ladder from what `as_json` gave."""
        rungs: list[dict[str, Any]] = [
            {k: float("nan") if v is None else v for k, v in rung.items()} for rung in about["rungs"]
        ]
        return cls(
            rungs=tuple(Rung(**rung) for rung in rungs),
            n_perturbations=int(about["n_perturbations"]),
            n_cells=int(about["n_cells"]),
        )

    def __str__(self) -> str:
        head = f"{'held-out perturbations':<24}{'error per cell':>18}{'heterogeneity':>18}{'energy distance':>18}"
        pairs = ("error", "heterogeneity", "energy")
        lines = [
            f"{rung.name:<24}"
            + "".join(f"{_with_error(getattr(rung, key), getattr(rung, key + '_se')):>18}" for key in pairs)
            for rung in self.rungs
        ]
        return "\n".join(
            [head, *lines, f"{self.n_perturbations} perturbations, {self.n_cells} cells; ± standard error"]
        )


def _with_error(value: float, se: float) -> str:
    return "-" if isnan(value) else f"{value:.3f}" if isnan(se) else f"{value:.3f} ± {se:.3f}"


@dataclass(frozen=True, eq=False)
class Scores:
    """Sums of one step for each held-out perturbation, each `(n_perturbations,)`.

    Parameters
    ----------
    error, total
        Σ ‖Δ̂z − Δz‖² and Σ ‖Δz‖².
    both, own, true
        Σ â·a, Σ â·â and Σ a·a of displacements less their mean.
    energy, still
        Energy distances of moved controls and of controls left where they are.
    """

    error: NDArray[np.float64]
    total: NDArray[np.float64]
    both: NDArray[np.float64]
    own: NDArray[np.float64]
    true: NDArray[np.float64]
    energy: NDArray[np.float64]
    still: NDArray[np.float64]

    @classmethod
    def of(cls, predicted: NDArray[np.floating], target: NDArray[np.floating], *, energy: Sequence[float]) -> Scores:
        """Score one perturbation; `energy` is moved and still.

        Parameters
        ----------
        predicted, target
            `(n_cells, n_dims)`.
        energy
            The two distances.
        """
        hat, true = np.asarray(predicted, dtype=np.float64), np.asarray(target, dtype=np.float64)
        a, b = hat - hat.mean(axis=0), true - true.mean(axis=0)
        figures = (((hat - true) ** 2).sum(), (true**2).sum(), (a * b).sum(), (a * a).sum(), (b * b).sum(), *energy)
        return cls(*(np.array([float(figure)]) for figure in figures))

    @classmethod
    def joined(cls, parts: Sequence[Scores]) -> Scores:
        """Put perturbations one below the other."""
        return cls(*(np.concatenate([getattr(part, key) for part in parts]) for key in cls.__dataclass_fields__))


def rung_of(name: str, scores: Scores) -> Rung:
    """Ratios of sums, with the jackknife over perturbations."""
    known = np.isfinite(scores.energy) & np.isfinite(scores.still)
    error, error_se = _jackknife(lambda e, t: np.sqrt(_ratio(e, t)), scores.error, scores.total)
    het, het_se = _jackknife(lambda b, o, t: _ratio(b, np.sqrt(o * t)), scores.both, scores.own, scores.true)
    energy, energy_se = _jackknife(
        lambda e, s: np.where(s > 0, _ratio(e, s), np.nan), scores.energy[known], scores.still[known]
    )
    return Rung(
        name=name,
        error=error,
        error_se=error_se,
        heterogeneity=het,
        heterogeneity_se=het_se,
        energy=energy,
        energy_se=energy_se,
    )


def _ratio(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _jackknife(statistic: Any, *sums: NDArray[np.float64]) -> tuple[float, float]:  # noqa: ANN401
    n = len(sums[0])
    if n == 0:
        return float("nan"), float("nan")
    whole = float(statistic(*(np.array([s.sum()]) for s in sums))[0])
    if n < 2:
        return whole, float("nan")
    without = statistic(*(s.sum() - s for s in sums))
    return whole, float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
