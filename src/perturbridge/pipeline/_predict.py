"""Predictions from a run folder, and the held-out predictions of a run as one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge.effects import EffectModel
from perturbridge.errors import DataError
from perturbridge.values import Prediction, as_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perturbridge.effects import Explanation
    from perturbridge.values import PerturbationName


__all__ = ["explain", "load_model", "predict"]


def load_model(folder: str | Path) -> EffectModel:
    """Load the model of a run folder.

    Raises
    ------
    DataError
        If the folder is not a run folder.
    """
    path = Path(folder) / "model"
    if not path.is_dir():
        problem = f"{folder} holds no model."
        raise DataError(problem, cure="Pass the folder that `perturbridge run ... -o FOLDER` wrote.")
    return EffectModel.load(path)


def predict(folder: str | Path, perturbations: Sequence[str | PerturbationName]) -> Prediction:
    """Predict Δ of perturbations with the model of a run folder, fitted on all of its perturbations.

    Parameters
    ----------
    folder
        A run folder.
    perturbations
        Gene names; several genes of one perturbation joined by `+`, in any order.

    Raises
    ------
    DataError
        If the folder holds no model or a perturbation is named twice.
    """
    return load_model(folder).predict(as_names(perturbations))


def explain(folder: str | Path, perturbations: Sequence[str | PerturbationName], *, top: int = 10) -> list[Explanation]:
    """Say where the predictions of the model of a run folder come from, one by one.

    Parameters
    ----------
    folder, perturbations
        As in `predict`.
    top
        So many neighbours, and genes up and down.
    """
    model = load_model(folder)
    return [model.explain(name, top=top) for name in as_names(perturbations)]
