"""Effects and predictions as h5ad files: rows are perturbations, columns genes, X is Δ."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._h5ad_write import write_anndata

if TYPE_CHECKING:
    from pathlib import Path

    import anndata as ad

    from perturbridge.values import Effects, Prediction

__all__ = ["EFFECTS_FORMAT", "PREDICTION_FORMAT", "UNIT", "VERSION", "head", "write_effects", "write_prediction"]

EFFECTS_FORMAT = "perturbridge-effects"
PREDICTION_FORMAT = "perturbridge-prediction"
VERSION = 1
UNIT = "mean log1p(counts per 10,000), perturbed minus control"


def write_effects(effects: Effects, path: str | Path) -> None:
    """Write effects as h5ad; `read_effects` gives them back to the last bit.

    `X` is delta, `layers` hold variance and detected, `obs` n_cells, `var` control_mean; by context, `obsm["n_perturbed"]`,
    `varm["context_control_mean"]` and `varm["context_control_variance"]`, with names and cells of the contexts in
    `uns["perturbridge"]`, beside unit, fingerprint, findings (as JSON text) and, where there are any, `other_controls`: kinds, n_cells,
    delta and noise of controls that are not the baseline.

    Parameters
    ----------
    effects
        What to write.
    path
        The file appears whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written, or a name cannot be stored.
    """
    table = _table(effects.delta, perturbations=[str(p) for p in effects.perturbations], genes=effects.genes)
    table.obs["n_cells"] = effects.n_cells
    table.var["control_mean"] = effects.control_mean
    for layer in ("variance", "detected"):
        values = getattr(effects, layer)
        if values is not None:
            table.layers[layer] = values
    record = {
        **head(EFFECTS_FORMAT),
        "fingerprint": effects.fingerprint,
        "findings": json.dumps([finding.as_json() for finding in effects.findings]),
    }
    if effects.contexts is not None:
        contexts = effects.contexts
        table.obsm["n_perturbed"] = contexts.n_perturbed
        table.varm["context_control_mean"] = contexts.control_mean.T
        table.varm["context_control_variance"] = contexts.control_variance.T
        record["contexts"] = np.array(contexts.names, dtype=object)
        record["n_control"] = contexts.n_control
    if effects.other_controls is not None:
        others = effects.other_controls
        record["other_controls"] = {
            "kinds": np.array(others.kinds, dtype=object),
            "n_cells": others.n_cells,
            "delta": others.delta,
            "noise": others.noise,
        }
    table.uns["perturbridge"] = record
    write_anndata(table, path)


def write_prediction(prediction: Prediction, path: str | Path) -> None:
    """Write a prediction as h5ad; `read_prediction` gives it back to the last bit.

    `X` is the predicted delta, `layers` hold the bounds `lower` and `upper` where there are any, `obs` status and detail of each
    row and whether the model was fitted on it; `uns["perturbridge"]` holds unit, model and split hash.

    Parameters
    ----------
    prediction
        What to write.
    path
        The file appears whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written, or a name cannot be stored.
    """
    table = _table(prediction.delta, perturbations=[str(p) for p in prediction.perturbations], genes=prediction.genes)
    table.obs["status"] = np.array(prediction.status, dtype=object)
    table.obs["detail"] = np.array(prediction.detail, dtype=object)
    table.obs["in_training"] = np.array(prediction.in_training, dtype=np.bool_)
    for layer in ("lower", "upper"):
        values = getattr(prediction, layer)
        if values is not None:
            table.layers[layer] = values
    table.uns["perturbridge"] = {
        **head(PREDICTION_FORMAT),
        "model": prediction.model,
        "split_hash": prediction.split_hash,
    }
    write_anndata(table, path)


def head(content: str, *, unit: str = UNIT) -> dict[str, object]:
    """Return what every file of ours says first: what it holds, in which version and unit, and what wrote it."""
    return {
        "format": content,
        "version": VERSION,
        "unit": unit,
        "written_by": f"perturbridge {version('perturbridge')}",
    }


def _table(delta: np.ndarray, *, perturbations: list[str], genes: tuple[str, ...]) -> ad.AnnData:
    from anndata import AnnData

    return AnnData(
        X=delta,
        obs=pd.DataFrame(index=pd.Index(perturbations, dtype=object)),
        var=pd.DataFrame(index=pd.Index(genes, dtype=object)),
    )
