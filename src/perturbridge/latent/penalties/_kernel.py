"""Similarity of latents: Gaussian kernels whose width follows the batch."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["BANDWIDTHS", "gaussian_kernel"]

BANDWIDTHS = (0.25, 1.0, 4.0)


def gaussian_kernel(z: Tensor, *, bandwidths: tuple[float, ...] = BANDWIDTHS) -> Tensor:
    """Mean over b of exp(−‖z_i − z_j‖² / (b · median)), `(n, n)`, in (0, 1].

    The median is over pairs of different cells and part of the gradient: a latent that merely shrinks or grows keeps its kernel.

    Parameters
    ----------
    z
        `(n, n_dims)`, n > 1.
    bandwidths
        Multiples of the median squared distance.
    """
    squares = (z * z).sum(dim=1)
    distances = (squares[:, None] + squares[None, :] - 2.0 * z @ z.T).clamp_min(0.0)
    rows, columns = torch.triu_indices(len(z), len(z), offset=1, device=z.device)
    median = distances[rows, columns].median().clamp_min(torch.finfo(z.dtype).tiny)
    scaled = distances / median
    return torch.stack([torch.exp(-scaled / b) for b in bandwidths]).mean(dim=0)
