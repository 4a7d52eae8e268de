"""A cell's own posterior, improved by a few steps from where the encoder puts it (semi-amortized inference, Kim et al. 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ._noise import Noise, generator
from .modules._posterior import SMALLEST_VARIANCE, Posterior
from .training._adam import Adam

if TYPE_CHECKING:
    from .cells._batch import Batch
    from .modules._vae import Vae

__all__ = ["refined"]

RATE = 0.02
NOISE = 8


def refined(module: Vae, batch: Batch, posterior: Posterior, *, n_steps: int) -> Posterior:
    """Take `n_steps` Adam steps of rate 0.02 on the ELBO of each cell in (μ, ln σ²), weights fixed; the noise is the same for each."""
    library = module.infer_library(batch, None)
    if library is not None:
        library = Posterior(library.mean.detach(), library.variance.detach())
    with torch.enable_grad():
        mean = torch.nn.Parameter(posterior.mean.detach().clone())
        raw = torch.nn.Parameter((posterior.variance.detach() - SMALLEST_VARIANCE).clamp_min(1e-12).log())
        adam = Adam([mean, raw], epsilon=1e-8, weight_decay=0.0)
        for number in range(1, n_steps + 1):
            noise = Noise.whole(batch.n_cells, generator(NOISE, number, device=mean.device))
            own = Posterior(mean, raw.exp() + SMALLEST_VARIANCE)
            bound = module.terms(own, batch, noise, library=library).elbo().sum()
            slopes = torch.autograd.grad(-bound, [mean, raw])
            adam.step(torch.cat([slope.reshape(-1) for slope in slopes]), number=number, rate=RATE)
    return Posterior(mean.detach(), raw.detach().exp() + SMALLEST_VARIANCE)
