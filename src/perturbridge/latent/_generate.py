"""Samples: of z for known cells, and of new cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from perturbridge.errors import FitError

from ._decode import condition_row, context_code, full_z
from ._noise import generator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import PerturbationName

    from ._encode import Cells
    from ._fitted import Fitted
    from .modules._decoder import Decoded

__all__ = ["new_cells", "posterior_samples", "prior_z"]

SAMPLES = 5


@torch.no_grad()
def posterior_samples(cells: Cells, n_samples: int, *, seed: int) -> NDArray[np.float32]:
    """Draw z from q(z | x) `(n_samples, n_cells, n_dims)`, all columns."""
    device = next(cells.fitted.module.parameters()).device
    source = generator(SAMPLES, seed, device=device)
    parts = []
    for batch in cells.batches():
        posterior = cells.fitted.module.encode(batch)
        shape = (n_samples, *posterior.mean.shape)
        parts.append(posterior.at(torch.randn(shape, generator=source, device=device)).cpu().numpy())
    return np.concatenate(parts, axis=1)


def prior_z(fitted: Fitted, n_cells: int, *, seed: int, label: str | None = None) -> NDArray[np.float32]:
    """Draw z from the prior `(n_cells, n_dims)`; with labels from p(z | u, label), or of labels drawn evenly.

    Raises
    ------
    FitError
        If the label is unknown.
    """
    rng = np.random.default_rng((SAMPLES, seed))
    u = torch.from_numpy(rng.normal(size=(n_cells, fitted.architecture.n_dims)).astype(np.float32))
    if label is not None and label not in fitted.labels:
        problem = f"Label {label!r} is not among the {len(fitted.labels)} of the model."
        raise FitError(problem, cure=f"Use one of {', '.join(fitted.labels[:10]) or 'none: the model has no labels'}.")
    head = fitted.module.labels
    if head is None:
        return np.asarray(u.numpy())
    device = next(fitted.module.parameters()).device
    codes = np.full(n_cells, fitted.labels.index(label)) if label else rng.integers(len(fitted.labels), size=n_cells)
    with torch.no_grad():
        normal = head.given(u.to(device), torch.from_numpy(codes).to(device))
    return np.asarray(normal.at(torch.from_numpy(rng.normal(size=u.shape).astype(np.float32)).to(device)).cpu().numpy())


@torch.no_grad()
def new_cells(
    fitted: Fitted,
    z: NDArray[np.float32],
    *,
    context: str | None,
    perturbation: str | PerturbationName | None,
    library_size: float | ArrayLike,
    seed: int,
) -> NDArray[np.float32]:
    """Draw expression from p(x | z, l) `(n_cells, n_genes)`: counts, or log1p values for the Gaussian."""
    device = next(fitted.module.parameters()).device
    rng = np.random.default_rng((SAMPLES, seed, 1))
    code = context_code(fitted, context)
    codes = np.full(len(z), code, dtype=np.int64)
    whole = torch.from_numpy(np.array(full_z(fitted, z, codes))).to(device)
    condition = None
    if fitted.conditions is not None or perturbation is not None:
        row = condition_row(fitted, "control" if perturbation is None else perturbation)
        condition = torch.from_numpy(np.tile(row, (len(z), 1))).to(device)
    where = torch.from_numpy(codes).to(device)
    decoded = fitted.module.decoder(whole, where, condition)
    library = np.broadcast_to(np.asarray(library_size, dtype=np.float64), (len(z),))[:, None]
    return draw(fitted, decoded, where.cpu().numpy(), library=library, rng=rng)


def draw(
    fitted: Fitted,
    decoded: Decoded,
    codes: NDArray[np.int64],
    *,
    library: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Draw one value per cell and gene from decoded parameters."""
    shared, sets = fitted.module.dispersion(decoded, torch.from_numpy(codes).to(decoded.logits.device))
    spread = (shared if sets is None else shared[sets]).double().exp().cpu().numpy()
    if fitted.architecture.likelihood == "gaussian":
        mean = decoded.logits.double().cpu().numpy()
        return np.asarray(mean + np.sqrt(spread) * rng.normal(size=mean.shape), dtype=np.float32)
    mean = decoded.logits.double().softmax(1).cpu().numpy() * library
    counts = rng.poisson(rng.gamma(spread, mean / spread, size=mean.shape)).astype(np.float32)
    if decoded.zero_logits is not None:
        counts[rng.random(mean.shape) < decoded.zero_logits.sigmoid().cpu().numpy()] = 0
    return counts
