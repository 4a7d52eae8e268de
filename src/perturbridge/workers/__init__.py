"""The same work on one process, on an executor or on a Dask cluster: functions and small tasks travel, results come back in order.

Takes: a pure function of a module, tasks that pickle, and what all tasks share.
Gives: a list of results, or one result merged where the work is done.
Depends on: numpy, threadpoolctl; dask.distributed where a cluster is asked for.
"""

from __future__ import annotations

from ._alike import map_alike, one_thread
from ._interface import Pace, Workers, row_ranges
from ._memory import Forecast, as_bytes, resident, show_bytes
from ._open import as_workers, open_workers

__all__ = [
    "Forecast",
    "Pace",
    "Workers",
    "as_bytes",
    "as_workers",
    "map_alike",
    "one_thread",
    "open_workers",
    "resident",
    "row_ranges",
    "show_bytes",
]
