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

__all__ = ["held_out", "own_held"]

CELLS_AT_ONCE = 512


def own_held(n_cells: int, world: World) -> slice:
    """Return the held-out cells that this process looks at: whole batches, in a row, so that draws do not depend on how many processes there are."""
    first, last = world.stretch(-(-n_cells // CELLS_AT_ONCE))
    return slice(first * CELLS_AT_ONCE, min(last * CELLS_AT_ONCE, n_cells))


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
        All cells, in the order in which they lie, and a reader of those of this process.
    seed
        Of the draws.
    world
        The processes; they share the cells, and all get the figures of the first.
    """
    sums = torch.zeros(3, dtype=torch.float64, device=data.device)
    own = own_held(len(rows), world)
    for start in range(own.start, own.stop, CELLS_AT_ONCE):
        batch = data.batch(rows[start : min(start + CELLS_AT_ONCE, own.stop)])
        source = generator(*seed, start // CELLS_AT_ONCE, device=data.device)
        terms = module(batch, Noise.whole(batch.n_cells, source))
        sums += torch.stack([terms.elbo().sum(), terms.log_likelihood.sum(), terms.kl.sum()]).double()
    world.add_up([sums])
    world.follow([sums])
    elbo, likelihood, kl = (sums / len(rows)).tolist()
    return {"held_out_elbo": elbo, "held_out_log_likelihood": likelihood, "held_out_kl": kl}
