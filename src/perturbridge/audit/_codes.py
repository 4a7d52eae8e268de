"""Labels as codes without gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["joint", "relabelled"]


def relabelled(codes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Codes `0 … k − 1` without gaps, in the order of the old ones."""
    return np.asarray(np.unique(codes, return_inverse=True)[1].reshape(-1), dtype=np.int64)


def joint(a: NDArray[np.int64], b: NDArray[np.integer]) -> NDArray[np.int64]:
    """One code per observed pair of codes `(n_cells,)`."""
    return relabelled(a * (int(b.max()) + 1) + b)
