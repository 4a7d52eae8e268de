"""What of a penalty's gradient reaches the encoder, and when."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch.autograd import Function

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ramp", "scale_gradient"]

STEEPNESS = 10.0


class _ScaleGradient(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float) -> Tensor:  # noqa: ANN401 torch's own context object
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return gradients[0] * ctx.factor, None


def scale_gradient(values: Tensor, factor: float) -> Tensor:
    """Return the values; their gradient comes back times `factor`: −λ reverses it (Ganin et al. 2016, JMLR 17:59)."""
    out: Tensor = _ScaleGradient.apply(values, factor)  # type: ignore[no-untyped-call]
    return out


def ramp(progress: float) -> float:
    """2/(1 + exp(−10 p)) − 1 for the share p of training steps done, clipped to [0, 1]: from 0 up to 1, never down again.

    The schedule of Ganin et al. 2016. A penalty at full strength before the decoder has learnt anything costs biology.
    """
    p = min(max(progress, 0.0), 1.0)
    return 2.0 / (1.0 + math.exp(-STEEPNESS * p)) - 1.0
