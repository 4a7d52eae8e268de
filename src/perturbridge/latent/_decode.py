"""From coordinates to expression: the cell's own context or another, its own perturbation or another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from perturbridge._checks import nearest_names, one_of
from perturbridge.errors import FitError
from perturbridge.values import PerturbationName

from .modules._vae import observed_log_library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from ._encode import Cells
    from ._fitted import Fitted
    from .cells._batch import Batch
    from .modules._decoder import Decoded

__all__ = ["condition_row", "context_code", "decode", "decoded_means", "full_z", "label_shares", "normalized"]

CELLS_AT_ONCE = 1024


def context_code(fitted: Fitted, context: str | None) -> int:
    """Return the code of a context of the decoder; None stands for the only one.

    Raises
    ------
    FitError
        If it was not seen in training, or is not named where there are several.
    """
    if context is None and len(fitted.contexts) == 1:
        return 0
    if context not in fitted.contexts:
        problem = f"Context {context!r} is not among the {len(fitted.contexts)} the model was fitted on."
        raise FitError(problem, cure=f"Name one of {nearest_names(str(context), fitted.contexts)}.")
    return fitted.contexts.index(context)


def condition_row(fitted: Fitted, perturbation: str | PerturbationName) -> NDArray[np.float32]:
    """Return what is injected for a perturbation `(n_condition,)`.

    Raises
    ------
    FitError
        If the model has no injection, or does not hold its vector.
    """
    conditions = fitted.conditions
    name = perturbation if isinstance(perturbation, str) else str(perturbation)
    canonical = name if conditions is not None and name in conditions.names else str(PerturbationName.parse(name))
    if conditions is None or canonical not in conditions.names:
        problem = f"The model injects nothing for perturbation {name!r}."
        known = () if conditions is None else conditions.names
        cure = f"Known: {nearest_names(name, known)}." if known else "Fit it with injection= and embedding=."
        raise FitError(problem, cure=cure)
    return np.asarray(conditions.table[conditions.names.index(canonical)])


def full_z(fitted: Fitted, z: NDArray[np.float32], codes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Append the mean context columns of each cell's context to biology columns; z that has both stays.

    Raises
    ------
    FitError
        If z has neither `n_latent` nor all columns.
    """
    a = fitted.architecture
    if z.ndim != 2 or z.shape[1] not in (a.n_latent, a.n_dims):
        problem = f"z has shape {z.shape}; the model has {a.n_latent} biology and {a.n_latent_context} context columns."
        raise FitError(problem, cure="Pass what encode returned, one row per cell.")
    if z.shape[1] == a.n_dims:
        return z
    return np.concatenate([z, fitted.context_z[codes]], axis=1)


def decode(
    fitted: Fitted,
    z: ArrayLike,
    *,
    context: str | None = None,
    perturbation: str | PerturbationName | None = None,
    library_size: float | ArrayLike = 1e4,
) -> NDArray[np.float32]:
    """Expected expression of cells at z `(n_cells, n_genes)`: l · rate for counts, log1p for the Gaussian."""
    array = np.array(z, dtype=np.float32)  # a copy: torch takes no read-only arrays
    codes = np.full(len(array), context_code(fitted, context), dtype=np.int64)
    array = full_z(fitted, array, codes)
    row = None
    if fitted.conditions is not None:
        row = condition_row(fitted, "control" if perturbation is None else perturbation)
    elif perturbation is not None:
        row = condition_row(fitted, perturbation)
    library = np.broadcast_to(np.asarray(library_size, dtype=np.float32), (len(array),))
    out = np.empty((len(array), len(fitted.genes)), dtype=np.float32)
    device = next(fitted.module.parameters()).device
    with torch.no_grad():
        for start in range(0, len(array), CELLS_AT_ONCE):
            part = slice(start, start + CELLS_AT_ONCE)
            condition = None if row is None else torch.from_numpy(np.tile(row, (len(array[part]), 1))).to(device)
            decoded = fitted.module.decoder(
                torch.from_numpy(array[part]).to(device), torch.from_numpy(codes[part]).to(device), condition
            )
            sizes = torch.from_numpy(np.ascontiguousarray(library[part])).to(device).unsqueeze(1)
            out[part] = expected(fitted, decoded, sizes).cpu().numpy()
    return out


def expected(fitted: Fitted, decoded: Decoded, library: Tensor) -> Tensor:
    """Mean of p(x | z) `(n_cells, n_genes)`; extra zeros count."""
    if fitted.architecture.likelihood == "gaussian":
        return decoded.logits
    mean = decoded.logits.softmax(1) * library
    return mean if decoded.zero_logits is None else mean * (1 - decoded.zero_logits.sigmoid())


@torch.no_grad()
def decoded_means(
    cells: Cells,
    *,
    context: str | None,
    perturbation: str | PerturbationName | None,
    library_size: float | None,
) -> Iterator[NDArray[np.float32]]:
    """Encode cells and decode them, a batch at a time: in their own context and perturbation, or in those that are named."""
    fitted = cells.fitted
    code = None if context is None else context_code(fitted, context)
    row = None if perturbation is None else condition_row(fitted, perturbation)
    for batch in cells.batches():
        yield expected(fitted, *_elsewhere(fitted, batch, code=code, row=row, library_size=library_size)).cpu().numpy()


def _elsewhere(
    fitted: Fitted, batch: Batch, *, code: int | None, row: NDArray[np.float32] | None, library_size: float | None
) -> tuple[Decoded, Tensor]:
    module = fitted.module
    z = module.encode(batch).mean
    library = module.infer_library(batch, None)
    size = observed_log_library(batch).exp() if library is None else library.mean.exp()
    context = batch.context if code is None else torch.full_like(batch.context, code)
    if code is not None and fitted.architecture.n_latent_context:
        theirs = torch.from_numpy(fitted.context_z).to(z.device)[context]
        z = torch.cat([module.split(z)[0], theirs], dim=1)
    condition = batch.condition
    if row is not None:
        condition = torch.from_numpy(row).to(z.device).expand(batch.n_cells, -1)
    decoded: Decoded = module.decoder(z, context, condition)
    return decoded, size if library_size is None else torch.full_like(size, library_size)


def normalized(
    cells: Cells,
    *,
    context: str | None = None,
    perturbation: str | PerturbationName | None = None,
    library_size: float | None = 1e4,
    scale: str = "counts",
) -> NDArray[np.float32]:
    """Denoised expression of every cell `(n_cells, n_genes)`, as counts or as log1p."""
    one_of("scale", scale, ("counts", "log1p"))
    found = np.concatenate(
        list(decoded_means(cells, context=context, perturbation=perturbation, library_size=library_size))
    )
    is_logged = cells.fitted.architecture.likelihood == "gaussian"
    if is_logged == (scale == "log1p"):
        return found
    return np.asarray(np.expm1(found) if is_logged else np.log1p(found), dtype=np.float32)


@torch.no_grad()
def label_shares(cells: Cells) -> NDArray[np.float32]:
    """q(y | z) at the posterior mean of each cell `(n_cells, n_labels)`.

    Raises
    ------
    FitError
        If the model has no labels.
    """
    head = cells.fitted.module.labels
    if head is None:
        problem = "The model was fitted without labels."
        raise FitError(problem, cure="Fit it with LatentModel(labels=…).")
    parts = [head.logits(cells.fitted.module.encode(batch).mean).softmax(1).cpu().numpy() for batch in cells.batches()]
    return np.concatenate(parts)
