"""The number that is made small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from perturbridge.latent.penalties._interface import StepView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from perturbridge.latent._noise import Noise
    from perturbridge.latent.cells._batch import Batch
    from perturbridge.latent.modules._vae import Terms, Vae
    from perturbridge.latent.penalties._interface import Penalty

__all__ = ["objective"]


def objective(
    module: Vae,
    batch: Batch,
    noise: Noise,
    *,
    penalties: Sequence[Penalty],
    weight: float,
    free_bits: float,
    label_strength: float,
    share: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """−mean ln p(x | z) + weight · (Σ_d max(mean KL_d, free_bits) + mean KL_other) + label_strength · mean −ln q(y | z) + Σ penalties, nats per cell.

    Parameters
    ----------
    module, batch, noise
        The model, the cells of a step, and its draws.
    penalties
        Further terms.
    weight, free_bits
        Weight of the KL term; nats per dimension that cost nothing.
    label_strength
        Weight of the cross-entropy of known labels.
    share
        Share of the run that is done.

    Returns
    -------
    loss, parts
        The loss, and by name, without gradients, what it is made of.
    """
    terms: Terms = module(batch, noise, dropout=True)
    kl = terms.kl.mean(0)
    counted = kl.clamp_min(free_bits) if free_bits > 0 else kl
    loss = -terms.log_likelihood.mean() + weight * (counted.sum() + terms.kl_other.mean())
    parts = {"log_likelihood": terms.log_likelihood.detach().mean(), "kl": kl.detach().sum()}
    if terms.cross_entropy is not None:
        loss = loss + label_strength * terms.cross_entropy
        parts["cross_entropy"] = terms.cross_entropy.detach()
    if penalties:
        z_bio, z_context = module.split(terms.z)
        view = StepView(
            posterior=terms.posterior,
            z=terms.z,
            z_bio=z_bio,
            z_context=z_context,
            context=batch.context,
            stratum=batch.stratum,
            share=share,
            source=noise.source,
        )
        for penalty in penalties:
            for name, term in penalty(view).items():
                loss = loss + term
                parts[name] = term.detach()
    parts["loss"] = torch.as_tensor(loss.detach())
    return loss, parts
