"""Predictions from a run folder, and the held-out predictions of a run as one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.effects import EffectModel
from perturbridge.errors import DataError
from perturbridge.values import Prediction, as_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perturbridge.effects import Explanation
    from perturbridge.values import PerturbationName

    from ._cross_validate import CrossValidation

__all__ = ["explain", "held_out_prediction", "load_model", "predict"]


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


def held_out_prediction(validation: CrossValidation) -> Prediction:
    """Join the test rows of all folds; a perturbation that several folds test keeps the row of the first of them."""
    seen: set[PerturbationName] = set()
    parts: list[tuple[Prediction, list[int]]] = []
    for prediction in validation.predictions.values():
        rows = [i for i, name in enumerate(prediction.perturbations) if name not in seen]
        seen.update(prediction.perturbations)
        parts.append((prediction, rows))
    first = parts[0][0]
    bounds = {
        bound: np.concatenate([getattr(p, bound)[rows] for p, rows in parts])
        if getattr(first, bound) is not None
        else None
        for bound in ("lower", "upper")
    }
    return Prediction(
        perturbations=tuple(p.perturbations[i] for p, rows in parts for i in rows),
        genes=first.genes,
        delta=np.concatenate([p.delta[rows] for p, rows in parts]),
        status=tuple(p.status[i] for p, rows in parts for i in rows),
        detail=tuple(p.detail[i] for p, rows in parts for i in rows),
        model=validation.model,
        lower=bounds["lower"],
        upper=bounds["upper"],
        in_training=tuple(p.in_training[i] for p, rows in parts for i in rows),
        split_hash=validation.split.hash,
    )
