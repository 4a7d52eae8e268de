"""What an `EffectModel` was asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from perturbridge._checks import one_of
from perturbridge.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Settings"]

_KERNELS = ("auto", "linear", "rbf")
_ALPHAS = tuple(float(a) for a in np.logspace(-4, 3, 57))
_BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Checked settings; build them with `of`.

    Parameters
    ----------
    kernel
        `"auto"`, `"linear"` or `"rbf"`.
    alphas
        Penalties, in units of the mean eigenvalue, ascending.
    bandwidths
        RBF scales ℓ², as multiples of the median squared distance, ascending.
    seed
        Draws samples and projections for large problems.
    """

    kernel: str
    alphas: tuple[float, ...]
    bandwidths: tuple[float, ...]
    seed: int

    @classmethod
    def of(cls, *, kernel: str, alphas: Sequence[float] | None, bandwidths: Sequence[float] | None, seed: int) -> Self:
        """Check and fill in defaults for None.

        Raises
        ------
        DataError
            If `kernel` is unknown.
        FitError
            If a list is empty or holds a number that is not positive and finite.
        """
        return cls(
            kernel=one_of("kernel", kernel, _KERNELS),
            alphas=_positive("alphas", _ALPHAS if alphas is None else alphas),
            bandwidths=_positive("bandwidths", _BANDWIDTHS if bandwidths is None else bandwidths),
            seed=int(seed),
        )

    def kinds(self) -> tuple[tuple[str, float], ...]:
        """Kind and bandwidth of every kernel to try; the bandwidth of the linear one is 0."""
        linear = (("linear", 0.0),) if self.kernel in ("auto", "linear") else ()
        rbf = tuple(("rbf", b) for b in self.bandwidths) if self.kernel in ("auto", "rbf") else ()
        return linear + rbf


def _positive(name: str, values: Sequence[float]) -> tuple[float, ...]:
    given = tuple(sorted({float(v) for v in values}))
    bad = [v for v in given if not (np.isfinite(v) and v > 0)]
    if bad or not given:
        example = f", such as {bad[0]}" if bad else ""
        problem = f"{name} holds {len(given)} numbers, of which {len(bad)} are not positive and finite{example}."
        raise FitError(problem, cure="Pass positive numbers; the mean alone (α = ∞) is always tried.")
    return given
