"""Labels shuffled inside strata, and cells drawn evenly from groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["drawn_cells", "shuffled_within"]


def shuffled_within(
    codes: NDArray[np.integer], strata: NDArray[np.integer], *, n_shuffles: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Shuffle codes among the cells of each stratum, all orders equally likely `(n_shuffles, n_cells)`."""
    order = np.argsort(strata, kind="stable")
    out = np.empty((n_shuffles, len(codes)), dtype=np.int64)
    sorted_strata, sorted_codes = strata[order], np.asarray(codes)[order]
    for row in out:
        # Random keys sorted inside each stratum; strata stay where they are.
        row[order] = sorted_codes[np.lexsort((rng.random(len(codes)), sorted_strata))]
    return out


def drawn_cells(cells: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return at most n of these cells, drawn without replacement, in their order."""
    return cells if len(cells) <= n else np.sort(rng.choice(cells, size=n, replace=False))
