"""Normal log-likelihood of log1p values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SMALLEST_LOG_VARIANCE", "gaussian"]

# A gene that is never seen has no variance; without a floor its density grows without bound.
SMALLEST_LOG_VARIANCE = -9.0


def gaussian(mean: Tensor, log_variance: Tensor, values: Tensor) -> Tensor:
    """Σ_g −½ (ln 2πσ²_g + (x_g − μ_g)² / σ²_g), nats `(n_cells,)`; higher is better.

    Parameters
    ----------
    mean, values
        `(n_cells, n_genes)`, log1p of counts per 10,000.
    log_variance
        ln σ² `(n_genes,)` or `(n_cells, n_genes)`, not below −9.
    """
    low = log_variance.clamp_min(SMALLEST_LOG_VARIANCE)
    squares = (values - mean) ** 2 * (-low).exp()
    return -0.5 * (squares + low + math.log(2 * math.pi)).sum(1)
