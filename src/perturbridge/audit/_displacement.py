"""How much of a perturbation's mean displacement is only a difference of context mixes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import group_means

from ._ratio import Ratio, balanced_folds
from ._shuffles import shuffled_within

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Cells", "Displacement", "displacement_leak"]

_N_FOLDS = 20
_N_PLACEBOS = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class Cells:
    """Controls and perturbed cells of the contexts that have controls; codes run `0 … n − 1`.

    Parameters
    ----------
    control, perturbed
        Coordinates `(n_controls, n_dims)`, `(n_perturbed, n_dims)`.
    control_context, perturbed_context
        Context of each.
    perturbation
        Of each perturbed cell.
    control_strata, perturbed_strata
        Groups of cells whose contexts are exchangeable without a context effect.
    """

    control: NDArray[np.float64]
    perturbed: NDArray[np.float64]
    control_context: NDArray[np.int64]
    perturbed_context: NDArray[np.int64]
    perturbation: NDArray[np.int64]
    control_strata: NDArray[np.int64]
    perturbed_strata: NDArray[np.int64]

    @property
    def n_contexts(self) -> int:
        """Number of contexts."""
        return int(self.control_context.max()) + 1

    @property
    def n_perturbations(self) -> int:
        """Number of perturbations."""
        return int(self.perturbation.max()) + 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Displacement:
    """Result of `displacement_leak`.

    Parameters
    ----------
    leak
        Σ_p g_p ‖L_p‖² over Σ_p g_p ‖D_p‖², a share of squared length.
    p
        Of Σ_p g_p ‖L_p‖² under contexts shuffled among controls.
    placebo
        Squared length of the displacement of held-out controls that were given the context mix of each perturbation, over that
        of the perturbations; NaN where these do not move.
    control_means
        `(n_contexts, n_dims)`.
    typical
        Root mean square length of D_p − L_p, what perturbations do inside their contexts.
    """

    leak: Ratio
    p: float
    placebo: float
    control_means: NDArray[np.float64]
    typical: float


def displacement_leak(cells: Cells, *, n_permutations: int, rng: np.random.Generator) -> Displacement:
    """D_p = mean of the perturbed − mean of the controls; L_p = Σ_c (π_pc − π_0c) m_c, the part that is due to context mixes.

    Every plan with balanced marginals has mean displacement D_p, whatever its cost. m_c is the mean of the controls of context c,
    π_pc and π_0c the shares of context c among the cells of p and among the controls. Squared lengths are freed of what
    sampling adds (Σ_c w_c² s_c/n_c with the variance s_c of each group), weighted by the cells of p; folds of cells are left out
    in turn for the interval.
    """
    pooled = np.concatenate([cells.control_context, cells.n_contexts + cells.perturbation])
    folds = balanced_folds(pooled, n_folds=_N_FOLDS, rng=rng)
    moments = _Moments.of(np.concatenate([cells.control, cells.perturbed]), pooled, folds)
    own, all_ = _mixes(cells)
    whole = moments.lengths(own, all_)
    without = np.stack([moments.without(fold).lengths(own, all_) for fold in range(_N_FOLDS)])
    strata = cells.control_strata
    shuffles = shuffled_within(cells.control_context, strata, n_shuffles=n_permutations, rng=rng)
    sizes = np.bincount(cells.perturbation)
    drawn = [
        _squared_leak(cells.control, codes, weights=own - all_, sizes=sizes)
        for codes in (cells.control_context, *shuffles)
    ]
    leak = Ratio(whole[:2], without[:, :2], null_variance=float(np.var(drawn[1:])))
    slack = 1e-9 * abs(drawn[0])
    p = float((1 + sum(value >= drawn[0] - slack for value in drawn[1:])) / len(drawn))
    means = moments.sums.sum(axis=1)[: cells.n_contexts] / moments.counts.sum(axis=1)[: cells.n_contexts, None]
    placebo = _placebo(cells, own, all_, rng=rng)
    return Displacement(
        leak=leak,
        p=p,
        placebo=placebo / whole[1] if whole[1] > 0 else float("nan"),
        control_means=means,
        typical=float(np.sqrt(max(whole[2], 0.0))),
    )


def _mixes(cells: Cells) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Context shares of each perturbation `(n_perturbations, n_contexts)`, and of the controls, repeated."""
    shape = (cells.n_perturbations, cells.n_contexts)
    flat = np.bincount(cells.perturbation * shape[1] + cells.perturbed_context, minlength=shape[0] * shape[1])
    own = flat.reshape(shape) / flat.reshape(shape).sum(axis=1, keepdims=True)
    controls = np.bincount(cells.control_context, minlength=shape[1]) / len(cells.control_context)
    return own, np.broadcast_to(controls, shape)


def _squared_length(
    weights: NDArray[np.float64], means: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """‖Σ_c w_pc m_c‖² − Σ_c w_pc² noise_c for each row p of weights."""
    return np.asarray(((weights @ means) ** 2).sum(axis=1) - (weights**2) @ noise)


def _noise(z: NDArray[np.float64], codes: NDArray[np.int64], n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of each group, and its variance summed over dimensions by its size; NaN for groups of one cell."""
    means, sizes = group_means(z, codes, n_groups=n)
    squares = np.bincount(codes, weights=np.einsum("ij,ij->i", z, z), minlength=n)
    spread = squares - sizes * np.einsum("ij,ij->i", means, means)
    return means, np.divide(spread, sizes * (sizes - 1), out=np.full(n, np.nan), where=sizes > 1)


def _squared_leak(
    control: NDArray[np.float64], codes: NDArray[np.int64], *, weights: NDArray[np.float64], sizes: NDArray[np.int64]
) -> float:
    means, noise = _noise(control, codes, weights.shape[1])
    return float(sizes @ _squared_length(weights, means, noise) / sizes.sum())


def _placebo(cells: Cells, own: NDArray[np.float64], all_: NDArray[np.float64], *, rng: np.random.Generator) -> float:
    """Squared length of Σ_c π_pc m'_c − Σ_c π_0c m_c, with m' and m from two halves of the controls, freed of sampling.

    NaN where a half holds one control of a context, since its variance is unknown.
    """
    n, lengths = cells.n_contexts, []
    weights = np.concatenate([-all_, own], axis=1)
    sizes = np.bincount(cells.perturbation)
    for _ in range(_N_PLACEBOS):
        half = balanced_folds(cells.control_context, n_folds=2, rng=rng)
        means, noise = _noise(cells.control, cells.control_context + n * half, 2 * n)
        lengths.append(float(sizes @ _squared_length(weights, means, noise) / sizes.sum()))
    return float(np.mean(lengths))


@dataclass(frozen=True, eq=False)
class _Moments:
    """Sums, sums of squares and counts by group and fold; contexts of controls first, perturbations after them."""

    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, z: NDArray[np.float64], groups: NDArray[np.int64], folds: NDArray[np.int64]) -> _Moments:
        n = int(groups.max()) + 1
        cells = groups * _N_FOLDS + folds
        means, sizes = group_means(z, cells, n_groups=n * _N_FOLDS)
        squares = np.bincount(cells, weights=np.einsum("ij,ij->i", z, z), minlength=n * _N_FOLDS)
        sums, shape = means * sizes[:, None], (n, _N_FOLDS)
        return cls(
            sums.reshape(*shape, -1), squares.astype(np.float64).reshape(shape), sizes.astype(np.float64).reshape(shape)
        )

    def without(self, fold: int) -> _Moments:
        kept = np.arange(self.counts.shape[1]) != fold
        return _Moments(self.sums[:, kept], self.squares[:, kept], self.counts[:, kept])

    def lengths(self, own: NDArray[np.float64], all_: NDArray[np.float64]) -> NDArray[np.float64]:
        """Σ g ‖L‖², Σ g ‖D‖² and Σ g ‖D − L‖² `(3,)`, over perturbations of two cells or more."""
        n_contexts = own.shape[1]
        n = self.counts.sum(axis=1)
        means = self.sums.sum(axis=1) / np.maximum(n, 1.0)[:, None]
        spread = self.squares.sum(axis=1) - n * np.einsum("ij,ij->i", means, means)
        noise = np.maximum(spread, 0.0) / np.maximum(n * (n - 1), 1.0)
        control, perturbed = slice(0, n_contexts), slice(n_contexts, None)
        leak = _squared_length(own - all_, means[control], noise[control])
        gap = means[perturbed] - all_ @ means[control]
        moved = (gap**2).sum(axis=1) - noise[perturbed] - (all_**2) @ noise[control]
        matched = means[perturbed] - own @ means[control]
        inside = (matched**2).sum(axis=1) - noise[perturbed] - (own**2) @ noise[control]
        weights = np.where(n[perturbed] > 1, n[perturbed], 0.0)
        total = max(float(weights.sum()), 1.0)
        return np.array([float(weights @ each) / total for each in (leak, moved, inside)])
