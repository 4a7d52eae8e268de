"""Metrics over the k genes that the perturbation really moved most.

The genes are picked from the real test profile, by |Δ| / standard error where cell variances are known, else by |Δ|: for scoring
only, never to choose or fit anything. Where fewer than k genes count, all of them are used; a gene that did not change is no top gene.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from ._metric import Aligned

__all__ = ["TOP_SIZES", "on_top"]

TOP_SIZES = (20, 50, 100)


def on_top(compute: Callable[[Aligned], NDArray[np.float64]], *, k: int) -> Callable[[Aligned], NDArray[np.float64]]:
    """Return the same metric over each row's `k` strongest genes."""

    def over_top_genes(pair: Aligned) -> NDArray[np.float64]:
        return compute(pair.top(k))

    return over_top_genes
