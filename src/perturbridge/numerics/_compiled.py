"""Compiling a loop, with the machine code kept on disk where that is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled"]


def compiled(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - what numba returns
    """Compile, keep the machine code on disk where a folder for it can be written, and in memory alone where none can."""
    import numba

    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True)(function)
