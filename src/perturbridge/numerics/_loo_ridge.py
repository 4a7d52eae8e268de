"""Weighted kernel ridge with an unpenalized intercept: every α, and every left-out residual, from one eigendecomposition.

The problem is  min over f, b of  Σ w_i (y_i − v_i b − f(x_i))² + α ‖f‖²,  with weights w and a known multiplier v (1 for an
ordinary intercept). Scaling rows by √w and projecting out u ∝ √w·v turns it into plain ridge without intercept:

    A = P S K S P,  ỹ = P S y,  S = diag √w,  P = I − u uᵀ,     A = U Λ Uᵀ
    R = α (A + α I)⁻¹ ỹ                                        residuals
    e_i = R_i / (s_i (1 − h_i)),   1 − h_i = α [(A + α I)⁻¹]_ii − u_i²

e_i is the residual of row i when the model is fitted without it. The term u_i² = w_i v_i² / Σ w v² is the leverage of the
intercept; forgetting it makes weak penalties look too good. Rows left out together need the same solve with a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["LooRidge"]

# Below this a left-out residual is 0/0: the row is fitted exactly whatever its value.
_SMALLEST_SLACK = 1e-12
_ALL = slice(None)
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False, kw_only=True)
class LooRidge:
    """One eigendecomposition, ready for any α; α = ∞ keeps the intercept alone. Build it with `from_kernel` or `from_features`.

    Parameters
    ----------
    basis
        Orthonormal U, orthogonal to u `(n_rows, n_components)`.
    spectrum
        Eigenvalues of A, not negative `(n_components,)`.
    root_weights
        √w with mean(w) = 1 `(n_rows,)`.
    direction
        Unit vector u `(n_rows,)`.
    targets
        ỹ, weighted and projected `(n_rows, n_targets)`.
    mean
        Intercept of the model without f, Σ w v y / Σ w v² `(n_targets,)`.
    features
        Weighted and projected features `(n_rows, n_dims)`, with the shift that was projected out `(n_dims,)`, or None for a kernel.
    kernel_shift
        Σ w v K / Σ w v² `(n_rows,)`, or None for features.
    """

    basis: NDArray[np.float64]
    spectrum: NDArray[np.float64]
    root_weights: NDArray[np.float64]
    direction: NDArray[np.float64]
    targets: NDArray[np.float64]
    mean: NDArray[np.float64]
    features: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    kernel_shift: NDArray[np.float64] | None = None

    @classmethod
    def from_kernel(
        cls,
        kernel: NDArray[np.floating],
        targets: NDArray[np.floating],
        *,
        weights: NDArray[np.floating] | None = None,
        multiplier: NDArray[np.floating] | None = None,
    ) -> LooRidge:
        """Decompose a symmetric positive semi-definite kernel.

        Parameters
        ----------
        kernel
            K `(n_rows, n_rows)`; need not be centred.
        targets
            y `(n_rows, n_targets)`.
        weights
            w, positive; scaled to mean 1; default: all equal `(n_rows,)`.
        multiplier
            v, what the intercept is multiplied by in each row; default: 1 `(n_rows,)`.
        """
        root, direction, scaled, mean = _weigh(targets, weights, multiplier)
        matrix = np.asarray(kernel, dtype=np.float64) * root[:, None] * root[None, :]
        diagonal = float(np.abs(np.diag(matrix)).max(initial=0.0))
        toward = matrix @ direction
        across = np.outer(direction, toward - 0.5 * (direction @ toward) * direction)
        matrix -= across
        matrix -= across.T
        values, basis = _eigh_without(matrix, direction, rounding=_EPS * len(matrix) * diagonal)
        length = float(np.linalg.norm(root if multiplier is None else root * multiplier))
        shift = (np.asarray(kernel, dtype=np.float64) @ (root * direction)) / length
        return cls(
            basis=basis,
            spectrum=values,
            root_weights=root,
            direction=direction,
            targets=scaled,
            mean=mean,
            kernel_shift=shift,
        )

    @classmethod
    def from_features(
        cls,
        features: NDArray[np.floating],
        targets: NDArray[np.floating],
        *,
        weights: NDArray[np.floating] | None = None,
        multiplier: NDArray[np.floating] | None = None,
    ) -> LooRidge:
        """Decompose the linear kernel of `features` `(n_rows, n_dims)` through the smaller of X Xᵀ and Xᵀ X, in float64.

        The other parameters are those of `from_kernel`.
        """
        root, direction, scaled, mean = _weigh(targets, weights, multiplier)
        weighted = np.asarray(features, dtype=np.float64) * root[:, None]
        # What projecting out u leaves of features without spread: the square of one rounding error for each entry.
        rounding = _EPS**2 * weighted.size * float(np.einsum("ij,ij->", weighted, weighted))
        shift = direction @ weighted
        weighted -= direction[:, None] * shift
        length = float(np.linalg.norm(root if multiplier is None else root * multiplier))
        if weighted.shape[0] <= weighted.shape[1]:
            values, basis = _eigh_without(weighted @ weighted.T, direction, rounding=rounding)
        else:
            values, vectors = np.linalg.eigh(weighted.T @ weighted)
            values = _clamp(values, rounding)
            # A direction without length has no left vector; its zero column changes nothing.
            basis = (weighted @ vectors) * np.divide(1.0, np.sqrt(values), out=np.zeros_like(values), where=values > 0)
        return cls(
            basis=basis,
            spectrum=values,
            root_weights=root,
            direction=direction,
            targets=scaled,
            mean=mean,
            features=(weighted, shift / length),
        )

    @property
    def _is_complete(self) -> bool:
        """True where basis and u together span all rows, so that nothing of the targets lies outside the basis."""
        return bool(self.basis.shape[1] == self.basis.shape[0] - 1)

    @cached_property
    def _coordinates(self) -> NDArray[np.float64]:
        """Uᵀ ỹ `(n_components, n_targets)`."""
        return self.basis.T @ self.targets

    @cached_property
    def _square(self) -> NDArray[np.float64]:
        """U ∘ U `(n_rows, n_components)`."""
        return self.basis**2

    @cached_property
    def _products(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """(Uᵀỹ)(Uᵀỹ)ᵀ, and for the part of ỹ outside the basis its products with Uᵀỹ and its squared norm by row."""
        inner = self._coordinates @ self._coordinates.T
        if self._is_complete:
            return inner, np.zeros((0, 0)), np.zeros(len(self.basis))
        cross = self.targets @ self._coordinates.T
        within = self.basis @ inner
        squared = np.einsum("ij,ij->i", self.targets, self.targets)
        squared += np.einsum("ij,ij->i", self.basis, within - 2.0 * cross)
        return inner, cross - within, np.maximum(squared, 0.0)

    def squared_products(self) -> float:
        """Σ (ỹ_p · ỹ_q)² over ordered pairs of different rows."""
        n, n_targets = self.targets.shape
        if self._is_complete and n < n_targets:
            squared = float((self._products[0] ** 2).sum())
        else:
            inner = self.targets @ self.targets.T if n < n_targets else self.targets.T @ self.targets
            squared = float((inner**2).sum())
        own = np.einsum("ij,ij->i", self.targets, self.targets)
        return max(0.0, squared - float(own @ own))

    def _kept(self, alpha: float) -> NDArray[np.float64]:
        """Share of each component that the penalty leaves in the residual, α / (λ + α) `(n_components,)`."""
        return np.ones_like(self.spectrum) if np.isinf(alpha) else alpha / (self.spectrum + alpha)

    def _slack(self, alpha: float) -> NDArray[np.float64]:
        """1 − h_i, at least a hair above 0 `(n_rows,)`."""
        kept = self._kept(alpha)
        # With a complete basis the rows of U ∘ U sum to 1 − u², and this form does not cancel at weak penalties.
        slack = self._square @ kept if self._is_complete else 1.0 - self.direction**2 - self._square @ (1.0 - kept)
        return np.maximum(slack, _SMALLEST_SLACK)

    def _residuals(self, alpha: float, columns: slice = _ALL) -> NDArray[np.float64]:
        """R, residuals of the fit in the weighted scale `(n_rows, n_columns)`."""
        if np.isinf(alpha):
            return np.asarray(self.targets[:, columns])
        kept, coordinates = self._kept(alpha), self._coordinates[:, columns]
        if self._is_complete:
            return np.asarray(self.basis @ (kept[:, None] * coordinates))
        return np.asarray(self.targets[:, columns] - self.basis @ ((1.0 - kept)[:, None] * coordinates))

    def _squared_residuals(self, alpha: float) -> NDArray[np.float64]:
        """‖R_i‖² for each row, by whichever form is cheaper: n·q·r directly, n·r² through the products `(n_rows,)`."""
        if np.isinf(alpha) or self.targets.shape[1] <= self.basis.shape[1]:
            residuals = self._residuals(alpha)
            return np.asarray(np.einsum("ij,ij->i", residuals, residuals))
        inner, cross, outside = self._products
        kept = self._kept(alpha)
        left = self.basis * kept
        squared: NDArray[np.float64] = np.einsum("ij,ij->i", left @ inner, left)
        if not self._is_complete:
            squared = squared + outside + 2.0 * np.einsum("ij,ij->i", left, cross)
        return np.maximum(squared, 0.0)

    def loo_squared(self, alpha: float, *, groups: Sequence[NDArray[np.int64]] = ()) -> NDArray[np.float64]:
        """w_i ‖e_i‖² for each row, w of mean 1; rows of a group are left out together `(n_rows,)`.

        Exact, at a cost that does not grow with the number of targets once they outnumber the components, grouped rows apart.
        """
        out = self._squared_residuals(alpha) / self._slack(alpha) ** 2
        for rows in groups:
            left = self._leave_together(alpha, rows)
            out[rows] = np.einsum("ij,ij->i", left, left)
        return out

    def loo_error(self, alpha: float, *, groups: Sequence[NDArray[np.int64]] = ()) -> float:
        """Σ w_i ‖e_i‖² / Σ w_i, exact; see `loo_squared`."""
        return float(np.mean(self.loo_squared(alpha, groups=groups)))

    def residuals(self, alpha: float, *, columns: slice = _ALL) -> NDArray[np.float64]:
        """Return y minus the fit, in the unit of y, for these columns of the targets `(n_rows, n_columns)`."""
        return self._residuals(alpha, columns) / self.root_weights[:, None]

    def loo_residuals(
        self, alpha: float, *, columns: slice = _ALL, groups: Sequence[NDArray[np.int64]] = ()
    ) -> NDArray[np.float64]:
        """e, y_i minus the prediction of a fit without row i, in the unit of y, exact.

        Parameters
        ----------
        alpha
            Penalty.
        columns
            Of the targets.
        groups
            Row indices of each group; its rows are left out together, e_g = (I − H_gg)⁻¹ R_g. A row in no group is left out alone.

        Returns
        -------
        NDArray
            `(n_rows, n_columns)`.
        """
        out = self._residuals(alpha, columns) / self._slack(alpha)[:, None]
        for rows in groups:
            out[rows] = self._leave_together(alpha, rows, columns)
        return out / self.root_weights[:, None]

    def left_out_together(self, alpha: float, rows: NDArray[np.int64], *, columns: slice = _ALL) -> NDArray[np.float64]:
        """Residuals of these rows when they are left out together, in the unit of y `(n_left_out, n_columns)`."""
        return self._leave_together(alpha, rows, columns) / self.root_weights[rows, None]

    def _leave_together(self, alpha: float, rows: NDArray[np.int64], columns: slice = _ALL) -> NDArray[np.float64]:
        """e_g in the weighted scale `(n_group, n_columns)`."""
        kept, part, u = self._kept(alpha), self.basis[rows], self.direction[rows]
        targets, coordinates = self.targets[rows, columns], self._coordinates[:, columns]
        residuals = targets - (part * (1.0 - kept)) @ coordinates
        block = np.eye(len(rows)) - (part * (1.0 - kept)) @ part.T - np.outer(u, u)
        return np.asarray(np.linalg.solve(block, residuals))

    def leverages(self, alpha: float) -> NDArray[np.float64]:
        """h_i, the weight of y_i in its own fitted value, in [0, 1) `(n_rows,)`."""
        return 1.0 - self._slack(alpha)

    def solve(self, alpha: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return coefficients c and intercept b, so that a new row is predicted as v·b + k·c.

        Returns
        -------
        tuple
            For a kernel c is `(n_rows, n_targets)` and k the kernel with the training rows; for features c is `(n_dims, n_targets)`
            and k the features themselves. b is `(n_targets,)`.
        """
        coordinates = self._coordinates
        if self.features is None:
            if np.isinf(alpha):
                return np.zeros_like(self.targets), self.mean.copy()
            coefficients = (self.basis / (self.spectrum + alpha)) @ coordinates * self.root_weights[:, None]
            shift = np.zeros(len(coefficients)) if self.kernel_shift is None else self.kernel_shift
            return coefficients, self.mean - shift @ coefficients
        weighted, shift = self.features
        gain = np.zeros_like(self.spectrum) if np.isinf(alpha) else 1.0 / (self.spectrum + alpha)
        coefficients = weighted.T @ (self.basis @ (gain[:, None] * coordinates))
        return coefficients, self.mean - shift @ coefficients


def _clamp(values: NDArray[np.float64], rounding: float) -> NDArray[np.float64]:
    """Set eigenvalues that are zero but for rounding to 0; none is dropped, so α > 0 still acts on their components."""
    floor = max(values.max(initial=0.0) * _EPS * len(values), rounding)
    return np.where(values > floor, values, 0.0)


def _eigh_without(
    matrix: NDArray[np.float64], direction: NDArray[np.float64], *, rounding: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return eigenvalues and eigenvectors of a positive semi-definite matrix with A u = 0, all but u itself.

    Lifting u above the rest makes it the last vector; left at 0 it would mix with other null directions and its rounding
    error would be divided by α.
    """
    lift = 2.0 * float(np.linalg.norm(matrix)) or 1.0
    values, basis = np.linalg.eigh(matrix + lift * np.outer(direction, direction))
    return _clamp(values[:-1], rounding), basis[:, :-1]


def _weigh(
    targets: NDArray[np.floating], weights: NDArray[np.floating] | None, multiplier: NDArray[np.floating] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return √w with mean(w) = 1, the unit vector u, the targets weighted and freed of u, and the intercept."""
    y = np.asarray(targets, dtype=np.float64)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    root = np.sqrt(w / w.mean())
    carried = root if multiplier is None else root * np.asarray(multiplier, dtype=np.float64)
    length = float(np.linalg.norm(carried))
    direction = carried / length
    scaled = y * root[:, None]
    along = direction @ scaled
    scaled -= direction[:, None] * along
    return root, direction, scaled, along / length
