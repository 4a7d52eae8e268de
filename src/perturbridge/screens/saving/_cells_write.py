"""Predicted cells as AnnData, in memory and as h5ad, as scanpy and every tool that reads its files expect them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from ._h5ad_write import write_anndata
from ._latents import LATENT_KEY
from ._profiles_write import head

if TYPE_CHECKING:
    from pathlib import Path

    import anndata as ad

    from perturbridge.values import PredictedCells

__all__ = ["cells_to_anndata", "write_cells"]

CELLS_FORMAT = "perturbridge-cells"


def cells_to_anndata(cells: PredictedCells) -> ad.AnnData:
    """Predicted cells as AnnData.

    `X` holds counts (drawn or expected; no columns where none were asked for), `obs` the perturbation, its status, whether it was in
    training, the row of the control cell each was moved from, context and library size, `obsm["X_perturbridge"]` the coordinates,
    `uns["perturbridge"]` what kind of expression this is, the model and the split.

    Parameters
    ----------
    cells
        What to hold.
    """
    from anndata import AnnData

    names = [str(name) for name in cells.perturbations]
    ranks = np.arange(cells.n_cells) - np.searchsorted(cells.codes, cells.codes)
    obs = pd.DataFrame(
        index=pd.Index([f"{names[c]} {i}" for c, i in zip(cells.codes, ranks, strict=True)], dtype=object)
    )
    obs["perturbation"] = pd.Categorical.from_codes(cells.codes.tolist(), categories=pd.Index(names, dtype=object))
    obs["status"] = pd.Categorical(np.asarray(cells.status, dtype=object)[cells.codes])
    obs["in_training"] = np.asarray(cells.in_training, dtype=np.bool_)[cells.codes]
    obs["control_row"] = cells.controls
    if cells.context is not None:
        categories = pd.Index(list(cells.context.categories), dtype=object)
        obs["context"] = pd.Categorical.from_codes(cells.context.codes.tolist(), categories=categories)
    if cells.library_size is not None:
        obs["library_size"] = cells.library_size
    values = np.zeros((cells.n_cells, 0), dtype=np.float32) if cells.expression is None else cells.expression
    genes = pd.DataFrame(index=pd.Index(list(cells.genes) if cells.expression is not None else [], dtype=object))
    # Drawn counts are mostly zero, expected ones never.
    table = AnnData(X=csr_matrix(values) if cells.expression_is == "counts" else values, obs=obs, var=genes)
    table.obsm[LATENT_KEY] = np.asarray(cells.z)
    table.uns["perturbridge"] = {
        **head(
            CELLS_FORMAT,
            unit={"counts": "counts, drawn", "means": "counts, expected", "none": "none"}[cells.expression_is],
        ),
        "model": cells.model,
        "split_hash": cells.split_hash,
        "level": cells.level,
    }
    return table


def write_cells(cells: PredictedCells, path: str | Path) -> None:
    """Write predicted cells as h5ad; see `cells_to_anndata` for what lies where.

    Parameters
    ----------
    cells
        What to write; their order is by perturbation.
    path
        The file appears whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written, or a name cannot be stored.
    """
    write_anndata(cells_to_anndata(cells), path)
