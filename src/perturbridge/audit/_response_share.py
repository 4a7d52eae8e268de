"""How much of a held-out response an embedding explains, beside what the other half of that response explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import LooRidge, l2_normalize, median_squared_distance, rbf_kernel

from ._ratio import Ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ResponseShare", "response_share"]

_ALPHAS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, np.inf)
_N_HALVES = 3
_MAX_FOLDS = 20
# Two one-sided tests at 5 % each.
_CONFIDENCE = 0.9


@dataclass(frozen=True, eq=False, kw_only=True)
class ResponseShare:
    """Result of `response_share`.

    Parameters
    ----------
    ratio
        Squared response explained by the embedding over that explained by the other half of the response.
    by_embedding, by_half
        Explained share of the squared deviation from the training mean, over test perturbations.
    each
        Both, for each test perturbation `(n_test, 2)`, in units of its own squared deviation.
    p
        Of the share explained by the embedding when test responses are dealt anew among test perturbations.
    """

    ratio: Ratio
    by_embedding: float
    by_half: float
    each: NDArray[np.float64]
    p: float


def response_share(
    vectors: NDArray[np.float64],
    responses: NDArray[np.float64],
    test: NDArray[np.bool_],
    *,
    n_permutations: int,
    rng: np.random.Generator,
) -> ResponseShare:
    """Σ (‖b − b̄‖² − ‖b − f(e)‖²) / Σ (‖b − b̄‖² − ‖b − g(a)‖²) over test perturbations with halves (a, b) of their response.

    f predicts from the embedding and g from the other half, both by kernel ridge fitted on training perturbations, linear or
    radial kernel and penalty chosen there by leave-one-out. Halves are random orthogonal halves of the space that the responses
    span, so that turning this space changes nothing. Prior knowledge of a gene stays below 1: the half was measured on the same
    cells. An embedding that was made from the test responses does not.

    Parameters
    ----------
    vectors
        `(n_perturbations, n_dims)`.
    responses
        Δ `(n_perturbations, n_genes)`.
    test
        `(n_perturbations,)`.
    n_permutations
        Deals for the p-value.
    rng
        Draws halves and deals.
    """
    train, held = np.flatnonzero(~test), np.flatnonzero(test)
    coordinates = _coordinates(responses)
    n_axes = coordinates.shape[1]
    from_vectors = _kernels(vectors, train)
    explained, total = np.zeros((len(held), 2)), np.zeros(len(held))
    for _ in range(_N_HALVES):
        turned = coordinates @ np.linalg.qr(rng.normal(size=(n_axes, n_axes)))[0]
        halves = turned[:, : n_axes // 2], turned[:, n_axes // 2 :]
        for a, b in (halves, halves[::-1]):
            deviation = b[held] - b[train].mean(axis=0)
            base = (deviation**2).sum(axis=1)
            total += base
            for column, kernels in enumerate((from_vectors, _kernels(a, train))):
                missed = b[held] - _predicted(kernels, b, train, held=held)
                explained[:, column] += base - (missed**2).sum(axis=1)
    prediction = _predicted(from_vectors, coordinates, train, held=held)
    p = _deal_p(coordinates[held], prediction, n=n_permutations, rng=rng)
    order = rng.permutation(len(held))
    n_folds = min(_MAX_FOLDS, len(held))
    folds = np.empty(len(held), dtype=np.int64)
    folds[order] = np.arange(len(held)) % n_folds
    whole = explained.sum(axis=0) / max(total.sum(), 1e-300)
    without = np.stack(
        [explained[folds != k].sum(axis=0) / max(total[folds != k].sum(), 1e-300) for k in range(n_folds)]
    )
    each = np.divide(explained, total[:, None], out=np.zeros_like(explained), where=total[:, None] > 0)
    return ResponseShare(
        ratio=Ratio(whole, without, confidence=_CONFIDENCE),
        by_embedding=float(whole[0]),
        by_half=float(whole[1]),
        each=each,
        p=p,
    )


def _deal_p(truth: NDArray[np.float64], prediction: NDArray[np.float64], *, n: int, rng: np.random.Generator) -> float:
    """P(Σ y_π(i)·f_i ≥ Σ y_i·f_i) over deals π; squared errors differ by these products alone."""
    products = (truth - truth.mean(axis=0)) @ (prediction - prediction.mean(axis=0)).T
    rows = np.arange(len(truth))
    observed = float(np.trace(products))
    dealt = np.array([products[rng.permutation(rows), rows].sum() for _ in range(n)])
    return float((1 + (dealt >= observed - 1e-9 * abs(observed)).sum()) / (1 + n))


def _coordinates(responses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coordinates of the rows in the space they span, same distances `(n_rows, rank)`."""
    centred = np.asarray(responses, dtype=np.float64) - responses.mean(axis=0)
    values, basis = np.linalg.eigh(centred @ centred.T)
    kept = values > 1e-10 * max(float(values[-1]), 1e-300)
    return np.asarray(basis[:, kept] * np.sqrt(values[kept]))


def _kernels(features: NDArray[np.float64], train: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """Linear kernel of the features and radial kernel of their directions, both with mean diagonal 1 on training rows."""
    x = np.asarray(features, dtype=np.float64) - features[train].mean(axis=0)
    linear = x @ x.T
    units = l2_normalize(x)
    radial = rbf_kernel(units, units, squared_scale=median_squared_distance(units[train]))
    return [kernel / max(float(np.diag(kernel)[train].mean()), 1e-300) for kernel in (linear, radial)]


def _predicted(
    kernels: list[NDArray[np.float64]],
    targets: NDArray[np.float64],
    train: NDArray[np.int64],
    *,
    held: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Predict held-out rows from the kernel and penalty with the smallest leave-one-out error on training rows."""
    best, error = (kernels[0], np.inf), np.inf
    fits = [LooRidge.from_kernel(kernel[np.ix_(train, train)], targets[train]) for kernel in kernels]
    chosen = fits[0]
    for kernel, fit in zip(kernels, fits, strict=True):
        for alpha in _ALPHAS:
            scale = alpha * len(train)
            found = fit.loo_error(scale)
            if found < error:
                best, error, chosen = (kernel, scale), found, fit
    coefficients, intercept = chosen.solve(best[1])
    return np.asarray(intercept + best[0][np.ix_(held, train)] @ coefficients)
