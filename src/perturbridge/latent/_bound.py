"""The bound for each cell, and a tighter estimate of ln p(x)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from ._noise import Noise, generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._encode import Cells

__all__ = ["elbo", "log_evidence"]

ELBO, EVIDENCE = 6, 7


@torch.no_grad()
def elbo(cells: Cells, *, n_samples: int, seed: int) -> NDArray[np.float64]:
    """E_q ln p(x | z) − KL for each cell, nats `(n_cells,)`, the mean over samples of q; higher is better."""
    module = cells.fitted.module
    device = next(module.parameters()).device
    parts = []
    for i, batch in enumerate(cells.batches()):
        noise = Noise.whole(batch.n_cells, generator(ELBO, seed, i, device=device))
        values = torch.stack([module(batch, noise).elbo() for _ in range(n_samples)])
        parts.append(values.double().mean(0).cpu().numpy())
    return np.concatenate(parts)


@torch.no_grad()
def log_evidence(cells: Cells, *, n_samples: int, seed: int) -> NDArray[np.float64]:
    """Ln (1/K) Σ_k p(x | z_k) p(z_k) / q(z_k | x), z_k ~ q, for each cell `(n_cells,)`: importance sampling of ln p(x) (Burda et al. 2016).

    Not below the ELBO on average; for models with an observed library and without labels.
    """
    module = cells.fitted.module
    device = next(module.parameters()).device
    parts = []
    for i, batch in enumerate(cells.batches()):
        noise = Noise.whole(batch.n_cells, generator(EVIDENCE, seed, i, device=device))
        posterior = module.encode(batch)
        weights = []
        for _ in range(n_samples):
            z = posterior.at(noise.normal(posterior.mean.shape[1]))
            own = ((z - posterior.mean) ** 2 / posterior.variance + posterior.variance.log()).sum(1)
            weights.append((module.log_likelihood(z, batch) + 0.5 * (own - (z**2).sum(1))).double())
        parts.append((torch.stack(weights).logsumexp(0) - math.log(n_samples)).cpu().numpy())
    return np.concatenate(parts)
