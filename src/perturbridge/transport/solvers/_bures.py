"""The optimal map between two Gaussians."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import AffineMap

from ._problem import Solution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._problem import Problem

__all__ = ["solve_bures"]

_RIDGE = 1e-3


def _power(matrix: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    floor = max(float(values.max()), 0.0) * 1e-12
    kept = np.where(values > floor, np.maximum(values, floor), np.inf if exponent < 0 else 0.0)
    return np.asarray((vectors * kept**exponent) @ vectors.T)


def solve_bures(problem: Problem) -> Solution:
    """T(x) = ȳ + (x − x̄) A with A = S^−½ (S^½ R S^½)^½ S^−½, S and R the covariances; as `ot.gaussian.bures_wasserstein_mapping`.

    Covariances are those of the cells as they are, divided by their number, with a thousandth of the controls' mean variance added to
    their diagonals, so that A exists with fewer cells than dimensions. The self-map of this solver is the identity.
    """
    x, y = problem.x.astype(np.float64), problem.y.astype(np.float64)
    ridge = _RIDGE * float(x.var(axis=0).mean()) * np.eye(x.shape[1])
    source, target = (np.cov(z, rowvar=False, bias=True).reshape(ridge.shape) + ridge for z in (x, y))
    root, inverse = _power(source, 0.5), _power(source, -0.5)
    linear = inverse @ _power(root @ target @ root, 0.5) @ inverse
    usable = bool(np.isfinite(linear).all())
    mapped = AffineMap(linear if usable else np.eye(len(ridge)), x.mean(axis=0), y.mean(axis=0))
    return Solution(
        map=mapped,
        at_x=mapped(x),
        converged=usable,
        status="converged" if usable else "covariances without a map",
        precision="float64",
    )
