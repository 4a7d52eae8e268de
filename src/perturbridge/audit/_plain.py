"""Arrays as plain JSON types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["plain", "share"]


def plain(values: ArrayLike) -> object:
    """Return a number or nested lists of numbers, with None where a value is not finite."""
    array = np.asarray(values)
    if array.dtype.kind != "f":
        return array.tolist()
    boxed = array.astype(object)
    boxed[~np.isfinite(array)] = None
    return boxed.tolist() if array.ndim else (float(array) if np.isfinite(array) else None)


def share(part: float, whole: float) -> str:
    """Return a share as text for a sentence: `0.3 %`, `12 %`."""
    percent = 100.0 * part / whole if whole else 0.0
    return f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"
