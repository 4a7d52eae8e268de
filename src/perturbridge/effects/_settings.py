"""What an `EffectModel` was asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from perturbridge._checks import one_of
from perturbridge.errors import FitError

from ._target_gene import MODALITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["PARTS", "Settings"]

_KERNELS = ("auto", "linear", "rbf")
_ALPHAS = tuple(float(a) for a in np.logspace(-4, 3, 57))
_BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
# What can be left out of the model, to see what it contributes.
PARTS = (
    "direction_shrinkage",
    "groups",
    "interactions",
    "own_effects",
    "row_weights",
    "shrinkage",
    "source_weights",
    "target_gene",
)


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
    rank
        Principal components of Δ that are predicted; None for all.
    modality
        How the screen perturbs.
    groups
        Pairs of gene and label; genes with one label are left out together.
    without
        Parts left out, sorted.
    seed
        Draws samples and projections for large problems.
    """

    kernel: str = "auto"
    alphas: tuple[float, ...] = _ALPHAS
    bandwidths: tuple[float, ...] = _BANDWIDTHS
    rank: int | None = None
    modality: str = "auto"
    groups: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    seed: int = 0

    @classmethod
    def of(
        cls,
        *,
        kernel: str = "auto",
        alphas: Sequence[float] | None = None,
        bandwidths: Sequence[float] | None = None,
        rank: int | None = None,
        modality: str = "auto",
        groups: Mapping[str, str] | None = None,
        without: Iterable[str] = (),
        seed: int = 0,
    ) -> Self:
        """Check and fill in defaults for None.

        Raises
        ------
        DataError
            If `kernel`, `modality` or a part is unknown.
        FitError
            If a list is empty or holds a number that is not positive and finite, or the rank is below 1.
        """
        if rank is not None and rank < 1:
            problem = f"rank is {rank}."
            raise FitError(problem, cure="Use at least 1 component, or None for all.")
        parts = sorted(
            {one_of("without", part, PARTS) for part in ([without] if isinstance(without, str) else without)}
        )
        return cls(
            kernel=one_of("kernel", kernel, _KERNELS),
            alphas=_positive("alphas", _ALPHAS if alphas is None else alphas),
            bandwidths=_positive("bandwidths", _BANDWIDTHS if bandwidths is None else bandwidths),
            rank=None if rank is None else int(rank),
            modality=one_of("modality", modality, MODALITIES),
            groups=tuple(sorted((str(gene), str(label)) for gene, label in (groups or {}).items())),
            without=tuple(parts),
            seed=int(seed),
        )

    def as_params(self) -> dict[str, Any]:
        """Return what `of` makes the same settings from."""
        return {**vars(self), "groups": dict(self.groups)}

    def has(self, part: str) -> bool:
        """Return True where a part of the model is not left out."""
        return part not in self.without

    def kinds(self) -> tuple[tuple[str, float], ...]:
        """Kind and bandwidth of every kernel to try, smoothest first; the bandwidth of the linear one is 0."""
        linear = (("linear", 0.0),) if self.kernel in ("auto", "linear") else ()
        rbf = tuple(("rbf", b) for b in reversed(self.bandwidths)) if self.kernel in ("auto", "rbf") else ()
        return linear + rbf


def _positive(name: str, values: Sequence[float]) -> tuple[float, ...]:
    given = tuple(sorted({float(v) for v in values}))
    bad = [v for v in given if not (np.isfinite(v) and v > 0)]
    if bad or not given:
        example = f", such as {bad[0]}" if bad else ""
        problem = f"{name} holds {len(given)} numbers, of which {len(bad)} are not positive and finite{example}."
        raise FitError(problem, cure="Pass positive numbers; the mean alone (α = ∞) is always tried.")
    return given
