"""A prediction of mean profiles as cells, for evaluators that read nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from perturbridge._checks import one_of
from perturbridge._rng import as_rng
from perturbridge.errors import DataError
from perturbridge.screens import write_anndata
from perturbridge.values import CONTROL_CODE, Finding

from ._clouds import values_of_cells

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from perturbridge.values import Effects, Prediction, Screen

__all__ = ["write_cell_eval"]

_CONTROL = "non-targeting"
_MOST_CONTROLS = 500


def write_cell_eval(
    prediction: Prediction,
    effects: Effects,
    path: str | Path,
    *,
    screen: Screen,
    noise: Literal["none", "controls"] = "none",
    n_cells: int = 2,
    seed: int = 0,
) -> tuple[Finding, ...]:
    """Write an h5ad that `cell-eval2 run -ap FILE --pert-col target --control non-targeting --input-type lognorm` reads.

    Parameters
    ----------
    prediction
        Δ of measured perturbations.
    effects
        Measured effects, for the controls of each perturbation.
    path
        The file appears whole or not at all.
    screen
        Gives the control cells: up to 500 of them are written beside the predicted ones.
    noise
        `"none"`: every cell is the predicted mean, so that means are exact and metrics of spread and of significant genes mean nothing.
        `"controls"`: control cells shifted by Δ, which have the spread of controls; cut at 0, which is counted.
    n_cells
        Cells of each perturbation.
    seed
        Draws control cells.

    Returns
    -------
    tuple of Finding
        How many values were cut at 0.

    Raises
    ------
    DataError
        If the genes of the prediction and the screen differ, or a perturbation was not measured.
    """
    import anndata as ad
    import pandas as pd
    from scipy import sparse

    one_of("noise", noise, ("none", "controls"))
    if set(prediction.genes) != set(screen.genes) or n_cells < 1:
        problem = f"{len(prediction.genes)} predicted and {len(screen.genes)} measured genes, {n_cells} cells for each perturbation."
        raise DataError(problem, cure="Predict exactly the genes of the screen, and ask for one cell or more.")
    rng = as_rng(seed)
    place = {gene: i for i, gene in enumerate(prediction.genes)}
    delta = prediction.delta[:, [place[gene] for gene in screen.genes]]
    rows = np.flatnonzero(screen.perturbation_codes == CONTROL_CODE)
    rows = np.sort(rng.choice(rows, size=min(len(rows), _MOST_CONTROLS), replace=False))
    controls = values_of_cells(screen, rows)
    matched = effects.matched_control[effects.rows(prediction.perturbations)]
    order = {gene: i for i, gene in enumerate(effects.genes)}
    matched = matched[:, [order[gene] for gene in screen.genes]]

    def cells_of(i: int) -> NDArray[np.float64]:
        if noise == "none":
            return np.tile(matched[i] + delta[i], (n_cells, 1))
        drawn: NDArray[np.float64] = controls[rng.integers(len(controls), size=n_cells)] + delta[i]
        return drawn

    blocks = [cells_of(i) for i in range(len(delta))]
    n_cut = sum(int((block < 0).sum()) for block in blocks)
    values = np.maximum(np.concatenate([*blocks, controls]), 0.0).astype(np.float32)
    labels = [str(name) for name in prediction.perturbations for _ in range(n_cells)] + [_CONTROL] * len(controls)
    index = pd.Index([f"cell{i}" for i in range(len(labels))], dtype=object)
    table = ad.AnnData(
        sparse.csr_matrix(values),
        obs=pd.DataFrame({"target": pd.Categorical(labels)}, index=index),
        var=pd.DataFrame(index=pd.Index(screen.genes, dtype=object)),
    )
    write_anndata(table, path)
    if not n_cut:
        return ()
    message = f"{n_cut:,} of {sum(b.size for b in blocks):,} exported values were below 0 and are written as 0."
    return (Finding(level="warning", code="export_cut", message=message, count=n_cut),)
