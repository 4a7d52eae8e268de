"""Pure array kernels that two rooms or more need.

Takes: arrays.
Gives: arrays and small results; no records, no files.
Depends on: numpy, scipy.
"""

from __future__ import annotations

from ._rows import l2_normalize, sum_rows

__all__ = ["l2_normalize", "sum_rows"]
