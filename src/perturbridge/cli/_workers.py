"""The workers behind `--dask`, announced on standard error."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perturbridge.workers import Workers

__all__ = ["tell", "workers_behind"]


def tell(sentence: str) -> None:
    """Print a sentence where it mixes with no result."""
    sys.stderr.write(f"{sentence}\n")


@contextmanager
def workers_behind(where: str | None) -> Iterator[Workers | None]:
    """Connect to workers, or start them, and say where they can be watched; None without `--dask`."""
    if where is None:
        yield None
        return
    from perturbridge.workers import open_workers

    with open_workers(where) as workers:
        tell(f"Workers: {workers.description}")
        yield workers
