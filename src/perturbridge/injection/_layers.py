"""Small parts that injections share."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["zero_linear"]


def zero_linear(n_in: int, n_out: int) -> nn.Linear:
    """Return a linear layer whose weights and bias are 0: what it modulates starts as it was, whatever the condition."""
    linear = nn.Linear(n_in, n_out, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.zero_()
    return linear
