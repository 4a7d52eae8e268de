"""A latent as an h5ad file that scanpy and an audit read as they are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._h5ad_write import write_anndata

if TYPE_CHECKING:
    from pathlib import Path

    from perturbridge.values import Latent

__all__ = ["LATENT_KEY", "write_latent"]

LATENT_KEY = "X_perturbridge"


def write_latent(latent: Latent, path: str | Path, *, key: str = LATENT_KEY) -> None:
    """Write coordinates to `obsm`, the labels that travel with them to `obs`, and how they were made to `uns["perturbridge"]`.

    `scanpy.pp.neighbors(adata, use_rep="X_perturbridge")` and `perturbridge audit` take the file as it is. Cells are called
    `cell0`, `cell1`, … after their rows in the screen, as `write_screen` calls them.

    Parameters
    ----------
    latent
        What to write.
    path
        The file appears whole or not at all.
    key
        Name in `obsm`.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    from anndata import AnnData

    index = pd.Index(np.array([f"cell{i}" for i in latent.cells], dtype=object), dtype=object)
    cells = pd.DataFrame(index=index)
    for labels in latent.labels.values():
        names = pd.Index(np.array(labels.categories, dtype=object), dtype=object)
        cells[labels.column] = pd.Categorical.from_codes(labels.codes.tolist(), categories=names)
    if latent.trained is not None:
        cells["seen_by_fit"] = np.array(latent.trained)
    about: dict[str, Any] = {
        "name": latent.name,
        "made_by": latent.made_by,
        "split_hash": latent.split_hash,
        "fingerprint": latent.fingerprint,
        "roles": {role: labels.column for role, labels in latent.labels.items()},
        "steps": {step.name: {k: v for k, v in asdict(step).items() if k != "name"} for step in latent.steps},
    }
    table = AnnData(obs=cells, obsm={key: np.array(latent.z)}, uns={"perturbridge": {"latents": {key: about}}})
    write_anndata(table, path)
