"""How far a prediction keeps its distance from the mean effect, judged by left-out rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from perturbridge.numerics import LooRidge

__all__ = ["Shrinkage", "leading_directions", "shrink_to_mean"]

# Targets are taken in blocks of columns where left-out residuals themselves are needed.
_BLOCK = 512
# Rows i and j both count how far i tells j, so the sum over rows varies twice as much as independent rows would.
_TWICE = 2.0
# Agreement that the best of many kernels hardly exceeds where embeddings know nothing, in its standard errors and in what chance makes of
# it, and how sharply it is dropped below; from simulated screens.
_ERRORS_BY_LUCK, _DEALS_BY_LUCK, _SHARPNESS = 2.3, 3.5, 8
_ROUNDING = 1e-12
_SURE, _FOLDS, _FEWEST_ROWS = 2.0, 5, 20
_MOST_DIRECTIONS, _ROWS_FOR_EACH = 64, 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Shrinkage:
    """Prediction = mean + F (fit − mean), F = s I + Σ_k (s_k − s) v_k v_kᵀ.

    Parameters
    ----------
    factor
        s in [0, 1].
    directions
        Orthonormal v_k, none where one factor serves all `(n_directions, n_targets)`.
    factors
        s_k in [0, 1] `(n_directions,)`.
    loo_r2
        1 − Σ w‖e‖² / Σ w‖e⁰‖² of the shrunken prediction; 0 is the training mean, 1 is perfect.
    """

    factor: float
    directions: NDArray[np.float64]
    factors: NDArray[np.float64]
    loo_r2: float

    @property
    def is_zero(self) -> bool:
        """True where nothing but the mean is left."""
        return self.factor == 0 and not self.factors.any()

    def apply(self, deviation: NDArray[np.float64]) -> NDArray[np.float64]:
        """F applied to rows, or to one row `(..., n_targets)`."""
        if not len(self.directions):
            return self.factor * deviation
        along = (deviation @ self.directions.T) * (self.factors - self.factor)
        return np.asarray(self.factor * deviation + along @ self.directions)


def leading_directions(targets: NDArray[np.float64], n_directions: int) -> NDArray[np.float64]:
    """Principal directions of the rows, as many as asked for and there are `(n_directions, n_targets)`."""
    n = len(targets)
    k = min(n_directions, n)
    if k == 0:
        return np.zeros((0, targets.shape[1]))
    values, vectors = eigh(targets @ targets.T, subset_by_index=(n - k, n - 1))
    kept = values > 1e-10 * max(float(values[-1]), np.finfo(float).tiny)
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])).T @ targets)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Agreement:
    """Sums over targets for each row: all targets `(n_rows,)`, or along each direction `(n_rows, n_directions)`.

    `agreement` is w e⁰·d, `deviation` w ‖d‖², with e⁰ the left-out residuals of the mean and d the left-out deviation from it.
    """

    agreement: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def factor(self, by_chance: float) -> float:
        """min(1, a / b) · max(0, 1 − min(2.3 SE(a), 3.5 · by_chance)⁸ / a⁸) with a and b the sums over rows and targets."""
        a, b = float(self.agreement.sum()), float(self.deviation.sum())
        if a <= 0 or b <= 0:
            return 0.0
        error = float(np.sqrt(_TWICE * len(self.agreement) * self.agreement.var(ddof=1)))
        luck = min(_ERRORS_BY_LUCK * error, _DEALS_BY_LUCK * by_chance)
        return min(1.0, a / b) * max(0.0, 1.0 - float((luck / a) ** _SHARPNESS))

    def of(self, rows: NDArray[np.bool_]) -> _Agreement:
        """Return the sums of these rows."""
        return _Agreement(agreement=self.agreement[rows], deviation=self.deviation[rows])

    def factors(self, common: float) -> NDArray[np.float64]:
        """Slopes a_k / b_k drawn to the common one, by s + τ² / (τ² + SE_k²) · (a_k / b_k − s), between 0 and 1.

        SE_k is that of the slope through rows, τ² what the slopes differ by beyond it, by moments.
        """
        weight = self.deviation.sum(axis=0)
        moves = weight > 0
        safe = np.where(moves, weight, 1.0)
        apart = np.where(moves, self.agreement.sum(axis=0) / safe - common, 0.0)
        doubt = ((self.agreement - (common + apart) * self.deviation) ** 2).sum(axis=0) / safe**2
        if not moves.any():
            return np.full(len(weight), common)
        spread = max(0.0, float(np.average(apart**2 - doubt, weights=weight)))
        kept = np.divide(spread, spread + doubt, out=np.zeros_like(doubt), where=spread + doubt > 0)
        return np.asarray(np.clip(common + kept * apart, 0.0, 1.0))

    def change(self, factors: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return w (‖e⁰ − s d‖² − ‖e⁰‖²) for each row."""
        return np.asarray(factors**2 * self.deviation - 2.0 * factors * self.agreement)


def shrink_to_mean(
    ridge: LooRidge, alpha: float, *, groups: Sequence[NDArray[np.int64]] = (), by_direction: bool = True
) -> Shrinkage:
    """Return s = min(1, a / b) · max(0, 1 − L⁸ / a⁸), with a = Σ_p w_p e⁰_p · d_p, b = Σ_p w_p ‖d_p‖², L = min(2.3 SE(a), 3.5 SD(a)).

    e⁰ are the left-out residuals of the mean alone, e those of the model, d = e⁰ − e its left-out deviation from the mean. So a is the
    agreement of what was left out with what was predicted for it, and a / b the slope of the one on the other. Kernel and α were chosen
    on the same rows, so their promise is a little too good: without signal the best of many kernels reaches L, and what does not exceed it is
    dropped; what exceeds it by half is kept whole but for 4 %.

    SE(a)² = 2 n Var(a_p) over rows, twice since without signal a is Σ_p Σ_q H_pq e⁰_p · e⁰_q, each pair of rows in it twice. SD(a) is
    what a varies by if responses are dealt anew among the rows (`agreement_by_chance`). The first takes a few strong responses, all well
    predicted, for doubt, and the second knows nothing of how even the rows agree; either will do.

    The leading principal directions of the targets may have a factor each, drawn to the common one, since effects are better predicted along
    some than along others (Breiman and Friedman 1997 call it curds and whey). That is kept only if it lowers the error of left-out rows by
    more than two standard errors of the paired difference, when directions and factors come from four fifths of the rows and the
    error from the rest: directions found with a row bend towards its noise, and make their factors look better than they are.

    Parameters
    ----------
    ridge, alpha
        The fit, and the penalty in its own units.
    groups
        Rows that are left out together.
    by_direction
        False: one factor for all.
    """
    weights, n = ridge.root_weights**2, len(ridge.root_weights)
    agreement, deviation, alone = (np.zeros(n) for _ in range(3))
    for _, without, step in left_out_blocks(ridge, alpha, groups):
        agreement += weights * np.einsum("ij,ij->i", without, step)
        deviation += weights * np.einsum("ij,ij->i", step, step)
        alone += weights * np.einsum("ij,ij->i", without, without)
    whole, scale = _Agreement(agreement=agreement, deviation=deviation), float(alone.sum())
    if scale <= n * float(ridge.mean @ ridge.mean) * _ROUNDING**2:
        # Rows that are all alike differ by rounding errors, which any kernel may seem to predict.
        whole, scale = _Agreement(agreement=np.zeros(n), deviation=np.zeros(n)), 0.0
    factor = whole.factor(agreement_by_chance(ridge, alpha, groups))
    change = whole.change(factor)
    plain = Shrinkage(
        factor=factor,
        directions=np.zeros((0, ridge.targets.shape[1])),
        factors=np.zeros(0),
        loo_r2=-float(change.sum()) / scale if scale > 0 else 0.0,
    )
    if not by_direction or factor == 0 or n < _FEWEST_ROWS:
        return plain
    targets = ridge.targets / ridge.root_weights[:, None]
    folds = list(_folds(targets))
    *apart, (directions, parts) = _along_directions(
        ridge, alpha, targets, chosen=[*(~here for here in folds), np.ones(n, dtype=bool)], groups=groups
    )
    gain = np.empty(n)
    for here, (_, left) in zip(folds, apart, strict=True):
        factors = left.of(~here).factors(factor)
        gain[here] = (left.of(here).change(factor) - left.of(here).change(factors)).sum(axis=1)
    if not gain.mean() > _SURE * gain.std(ddof=1) / np.sqrt(n):
        return plain
    factors = parts.factors(factor)
    change = change + (parts.change(factors) - parts.change(factor)).sum(axis=1)
    return Shrinkage(factor=factor, directions=directions, factors=factors, loo_r2=-float(change.sum()) / scale)


def agreement_by_chance(ridge: LooRidge, alpha: float, groups: Sequence[NDArray[np.int64]] = ()) -> float:
    """Return √(2 Σ_{p≠q} D_pq² · mean_{p≠q} (ỹ_p · ỹ_q)²): how much Σ_p w_p e⁰_p · d_p varies by chance.

    D maps the weighted targets ỹ to √w d, so that the sum is Σ_pq D_pq ỹ_p · ỹ_q. If it is chance which row has which response, each
    pair of rows contributes an inner product of its own, once in each order; the mean of these is about 0 since ỹ sums to 0.
    """
    n = len(ridge.root_weights)
    if np.isinf(alpha) or n < 2:
        return 0.0
    unit = np.eye(n) - np.outer(ridge.direction, ridge.direction)
    total = 0.0
    for columns, _, step in left_out_blocks(replace(ridge, targets=unit), alpha, groups):
        weighted = step * ridge.root_weights[:, None]
        at = np.arange(n)[columns]
        total += float((weighted**2).sum()) - float((weighted[at, np.arange(len(at))] ** 2).sum())
    return float(np.sqrt(2.0 * total * ridge.squared_products() / (n * (n - 1))))


def _folds(targets: NDArray[np.float64]) -> Iterator[NDArray[np.bool_]]:
    """Five parts of the rows, each with small and large effects, whatever the order of the rows."""
    rank = np.argsort(np.argsort(np.einsum("ij,ij->i", targets, targets), kind="stable"), kind="stable")
    for k in range(_FOLDS):
        yield rank % _FOLDS == k


def _along_directions(
    ridge: LooRidge,
    alpha: float,
    targets: NDArray[np.float64],
    *,
    chosen: Sequence[NDArray[np.bool_]],
    groups: Sequence[NDArray[np.int64]],
) -> list[tuple[NDArray[np.float64], _Agreement]]:
    """Return, for each choice of rows, the leading principal directions of their targets, and how all rows agree along each."""
    found = [
        leading_directions(targets[rows], min(_MOST_DIRECTIONS, int(rows.sum()) // _ROWS_FOR_EACH)) for rows in chosen
    ]
    stacked = np.concatenate(found)
    without, step = np.zeros((len(targets), len(stacked))), np.zeros((len(targets), len(stacked)))
    for columns, left_out, deviation in left_out_blocks(ridge, alpha, groups):
        without += left_out @ stacked[:, columns].T
        step += deviation @ stacked[:, columns].T
    weights, ends = ridge.root_weights[:, None] ** 2, np.cumsum([0, *map(len, found)])
    return [
        (
            directions,
            _Agreement(agreement=weights * without[:, a:b] * step[:, a:b], deviation=weights * step[:, a:b] ** 2),
        )
        for directions, a, b in zip(found, ends, ends[1:], strict=False)
    ]


def left_out_blocks(
    ridge: LooRidge, alpha: float, groups: Sequence[NDArray[np.int64]] = ()
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield e⁰ and d for block after block of targets: left-out residuals of the mean, and the model's left-out deviation from it."""
    for start in range(0, ridge.targets.shape[1], _BLOCK):
        columns = slice(start, start + _BLOCK)
        without = ridge.loo_residuals(np.inf, columns=columns, groups=groups)
        yield columns, without, without - ridge.loo_residuals(alpha, columns=columns, groups=groups)
