"""Checks that every record and public function uses; each names what was expected, what was found and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from perturbridge._mapped import stretches
from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import DTypeLike, NDArray

__all__ = ["FrozenMapping", "array_of", "freeze", "nearest_names", "one_of", "unique_names"]

_AT_ONCE = 1 << 22

K = TypeVar("K")
V = TypeVar("V")


class FrozenMapping(Mapping[K, V]):
    """A mapping that cannot be changed and, unlike the one of the standard library, travels to other processes.

    Parameters
    ----------
    held
        What it holds; copied.
    """

    __slots__ = ("_held",)

    def __init__(self, held: Mapping[K, V]) -> None:
        self._held = dict(held)

    def __getitem__(self, key: K) -> V:
        return self._held[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def __repr__(self) -> str:
        return f"FrozenMapping({self._held!r})"

    def __reduce__(self) -> tuple[type[FrozenMapping[K, V]], tuple[dict[K, V]]]:
        return type(self), (self._held,)


def freeze(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view, so that a record cannot be changed under its readers."""
    view = array.view()
    view.flags.writeable = False
    return view


def array_of(name: str, value: object, *, shape: tuple[int | None, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return `value` as a finite read-only array of `dtype`; None in `shape` stands for any length.

    Raises
    ------
    DataError
        If the shape differs or an entry is NaN or infinite.
    """
    array = np.asarray(value, dtype=dtype)
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        problem = f"{name} has shape {array.shape}, expected ({wanted})."
        raise DataError(problem, cure=f"Pass {name} with one entry for each named axis.")
    if np.issubdtype(array.dtype, np.floating) and not _all_finite(array):
        bad = np.argwhere(~np.isfinite(array))
        first = tuple(int(i) for i in bad[0])
        problem = f"{name} has {len(bad)} entries that are NaN or infinite, the first at {first}."
        raise DataError(problem, cure="Remove or repair these entries before they reach a model.")
    return freeze(array)


def _all_finite(array: NDArray[Any]) -> bool:
    """Look at a few million entries at a time: a mask of all of them would be a quarter as large as a float32 array."""
    if array.ndim == 0 or array.size == 0:
        return bool(np.isfinite(array).all())
    step = max(_AT_ONCE * len(array) // array.size, 1)
    return all(
        bool(np.isfinite(part[i : i + step]).all()) for _, part in stretches(array) for i in range(0, len(part), step)
    )


def unique_names(name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return the names as a tuple of str.

    Raises
    ------
    DataError
        If a name is empty or stands twice.
    """
    names = tuple(str(value) for value in values)
    if "" in names:
        problem = f"{name} has an empty name at position {names.index('')}."
        raise DataError(problem, cure="Give every entry a name.")
    if len(set(names)) != len(names):
        seen: set[str] = set()
        doubled = sorted({n for n in names if n in seen or seen.add(n)})  # type: ignore[func-returns-value]
        problem = f"{name} has {len(doubled)} names that stand more than once, the first is {doubled[0]!r}."
        raise DataError(problem, cure="Make the names unique, or choose which of the duplicates to keep.")
    return names


def nearest_names(wanted: str, known: Sequence[str], *, n: int = 5) -> str:
    """Return the names most like `wanted`, quoted and joined, for an error message."""
    from difflib import get_close_matches

    close = get_close_matches(wanted, known, n=n, cutoff=0.5) or list(known[:n])
    return ", ".join(repr(name) for name in close)


def one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return `value` if it is allowed.

    Raises
    ------
    DataError
        If it is not, with the allowed values.
    """
    if value not in allowed:
        problem = f"{name} is {value!r}."
        raise DataError(problem, cure=f"Use one of {', '.join(repr(a) for a in allowed)}.")
    return value
