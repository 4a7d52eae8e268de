"""The bound on cells that are not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from perturbridge.latent._noise import Noise, generator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from perturbridge.latent.cells._dataset import Dataset
    from perturbridge.latent.modules._vae import Vae

    from ._world import World

__all__ = ["held_out"]

CELLS_AT_ONCE = 512


@torch.no_grad()
def held_out(
    module: Vae, data: Dataset, rows: NDArray[np.int64], *, seed: tuple[int, ...], world: World
) -> dict[str, float]:
    """Mean ELBO, ln p(x | z) and KL over these cells in nats, at one sample of q; the same draws whenever it is asked.

    Parameters
    ----------
    module
        In evaluation mode.
    data, rows
        Cells, in the order in which they lie.
    seed
        Of the draws.
    world
        The processes; they share the cells.
    """
    sums = torch.zeros(3, dtype=torch.float64, device=data.device)
    for i, start in enumerate(range(0, len(rows), CELLS_AT_ONCE)):
        if i % world.size != world.rank:
            continue
        batch = data.batch(rows[start : start + CELLS_AT_ONCE])
        terms = module(batch, Noise.whole(batch.n_cells, generator(*seed, i, device=data.device)))
        sums += torch.stack([terms.elbo().sum(), terms.log_likelihood.sum(), terms.kl.sum()]).double()
    world.add_up([sums])
    elbo, likelihood, kl = (sums / len(rows)).tolist()
    return {"held_out_elbo": elbo, "held_out_log_likelihood": likelihood, "held_out_kl": kl}
