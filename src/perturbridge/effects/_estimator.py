"""What every model of effects can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from perturbridge.errors import FitError
from perturbridge.values import Prediction, as_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from perturbridge.values import Effects, PerturbationName

__all__ = ["Estimator", "as_prediction", "require_rows", "unfitted"]


class Estimator(Protocol):
    """Learns from measured effects, predicts Δ of perturbations it has not seen."""

    @property
    def name(self) -> str:
        """Short name for tables; the same for a copy."""

    def fit(self, effects: Effects, *, split_hash: str = "") -> Self:
        """Learn from all rows of `effects` and return the model itself; what was learnt before is forgotten."""

    def predict(self, perturbations: Iterable[str | PerturbationName]) -> Prediction:
        """Predict perturbations, canonical texts such as `"A+B"` or names, in the order given."""

    def clone(self) -> Self:
        """Return a copy with the same settings that has learnt nothing."""


def unfitted(name: str) -> FitError:
    """Return the error of a model that is asked before it was fitted."""
    return FitError(f"Model {name!r} is asked before it has learnt anything.", cure="Call fit first.")


def require_rows(effects: Effects, *, at_least: int, name: str) -> None:
    """Refuse a table with too few perturbations.

    Raises
    ------
    FitError
        If there are fewer than `at_least`.
    """
    n = len(effects.perturbations)
    if n < at_least:
        problem = f"Model {name!r} got {n} training perturbations and needs at least {at_least}."
        raise FitError(problem, cure="Use fewer folds or a screen with more perturbations.")


def as_prediction(
    perturbations: Iterable[str | PerturbationName],
    delta: NDArray[np.float64],
    *,
    effects_genes: tuple[str, ...],
    model: str,
    split_hash: str,
    missing: dict[int, str] | None = None,
) -> Prediction:
    """Wrap predicted rows.

    Parameters
    ----------
    perturbations, delta
        Rows in order `(n_perturbations, n_genes)`.
    effects_genes, model, split_hash
        As in `Prediction`.
    missing
        Row ▸ why it is the mean effect; such rows are `"no_embedding"`, all others `"predicted"`.
    """
    names = as_names(perturbations)
    missing = missing or {}
    return Prediction(
        perturbations=names,
        genes=effects_genes,
        delta=delta,
        status=tuple("no_embedding" if i in missing else "predicted" for i in range(len(names))),
        detail=tuple(missing.get(i, "") for i in range(len(names))),
        model=model,
        split_hash=split_hash,
    )
