"""Pickles without running what they ask for: plain containers, numbers and numpy arrays, nothing else."""

from __future__ import annotations

import io
import mmap
import pickle
from collections import OrderedDict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.errors import EmbeddingError

from ._claims import check_pickle_claims

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

__all__ = ["safe_unpickle"]

_CURES = MappingProxyType(
    {
        "pandas": "Open it with pandas where you trust it and save it with DataFrame.to_parquet.",
        "torch": "Save the dict of tensors with torch.save, or each tensor as a numpy array.",
        "anndata": "Save it with AnnData.write_h5ad.",
        "scipy": "Save a dense numpy array instead.",
    }
)


def safe_unpickle(data: bytes | IO[bytes], *, where: str) -> object:
    """Read one object from a pickle made of dicts, lists, tuples, strings, numbers and numpy arrays.

    Parameters
    ----------
    data
        The pickle, or a binary file at its start.
    where
        Name of the file, for messages.

    Raises
    ------
    EmbeddingError
        If the pickle names anything else (it is refused before it is imported), or is cut short.
    """
    try:
        handle = _checked(data, where=where)
        return _SafeUnpickler(handle, where=where).load()
    except EmbeddingError:
        raise
    except MemoryError as error:
        problem = f"{where} claims more than the memory of this machine holds."
        raise EmbeddingError(problem, cure="Check that this is the file you meant.") from error
    # A damaged pickle can raise nearly anything from inside the machine that reads it.
    except Exception as error:
        problem = f"{where} is not a whole pickle of plain values: {type(error).__name__}, {error}."
        raise EmbeddingError(problem, cure="Download or write it again.") from error


def _checked(data: bytes | IO[bytes], *, where: str) -> IO[bytes]:
    """Return the pickle as a file, after a walk over its records; a file on disk is mapped for the walk and not loaded."""
    if isinstance(data, io.BufferedReader):
        start = data.tell()
        with mmap.mmap(data.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            check_pickle_claims(mapped, start=start, where=where)
        data.seek(start)
        return data
    held = data if isinstance(data, bytes) else data.read()
    check_pickle_claims(held, start=0, where=where)
    return io.BytesIO(held)


class _SafeUnpickler(pickle.Unpickler):
    """Knows the names in `_allowed` alone; anything else ends the reading before it is imported."""

    def __init__(self, handle: IO[bytes], *, where: str) -> None:
        # Python 2 wrote byte strings; latin-1 keeps every byte.
        super().__init__(handle, encoding="latin1")
        self._allowed = _allowed()
        self._where = where

    def find_class(self, module: str, name: str) -> object:
        """Return the stand-in for a global, or refuse it by name."""
        known = self._allowed.get((module, name))
        if known is None:
            problem = (
                f"{self._where} asks for {module}.{name}, which a table of numbers does not need; nothing was run."
            )
            cure = _CURES.get(module.partition(".")[0], "Do not open this file elsewhere unless you trust who made it.")
            raise EmbeddingError(problem, cure=cure)
        return known

    def persistent_load(self, pid: object) -> object:
        """Refuse objects kept outside the pickle."""
        problem = f"{self._where} keeps parts of itself elsewhere ({str(pid)[:40]!r}); nothing was run."
        raise EmbeddingError(problem, cure="Save the dict of vectors as npz or parquet.")


class _Sealed:
    """A callable without attributes, so that a pickle can call it and not alter it."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *args: object) -> object:
        return self._call(*args)


class _NdarrayName:
    """Stands for the class numpy.ndarray, which a pickle names and never needs to call."""

    __slots__ = ()


def _allowed() -> dict[tuple[str, str], object]:
    """Return a stand-in for every global that a pickle may name; NumPy 1 and 2 keep theirs in different modules."""
    table: dict[tuple[str, str], object] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("numpy", "ndarray"): _NdarrayName(),
        ("numpy", "dtype"): _Sealed(_dtype),
        ("_codecs", "encode"): _Sealed(_encode),
    }
    for core in ("numpy.core", "numpy._core"):
        table[f"{core}.multiarray", "_reconstruct"] = _Sealed(_reconstruct)
        table[f"{core}.multiarray", "scalar"] = _Sealed(_scalar)
        table[f"{core}.numeric", "_frombuffer"] = _Sealed(_frombuffer)
    return table


def _reconstruct(kind: object, shape: object, _code: object) -> np.ndarray[Any, Any]:
    """Return the empty array that numpy's function of that name returns; the pickle then fills it through `__setstate__`."""
    if not isinstance(kind, _NdarrayName) or shape != (0,):
        msg = f"an array is born as {type(kind).__name__} of shape {shape!r}"
        raise pickle.UnpicklingError(msg)
    return np.ndarray((0,), np.dtype("b"))


def _dtype(spec: str, *flags: object) -> np.dtype[Any]:
    """Return the dtype, of numbers, text or objects alone; `flags` are align and copy."""
    align, copy = (*flags, False, False)[:2]
    return _known_kind(np.dtype(spec, bool(align), bool(copy)))


def _known_kind(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind not in "biufcSUO":
        msg = f"numbers of kind {dtype!r}"
        raise pickle.UnpicklingError(msg)
    return dtype


def _frombuffer(buffer: bytes, dtype: object, *layout: object) -> np.ndarray[Any, Any]:
    """Return the array over the bytes that the pickle holds, no more; `layout` is shape, order and, from NumPy 2.3, axes."""
    array = np.frombuffer(buffer, dtype=_no_objects(dtype))
    shape, order, axes = (*layout, None, None, None)[:3]
    if not isinstance(shape, tuple):
        msg = f"an array of shape {shape!r}"
        raise pickle.UnpicklingError(msg)
    if isinstance(axes, tuple):
        return array.reshape(shape).transpose(axes)
    return array.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: object, data: str | bytes = b"") -> object:
    """Return one number."""
    raw = data.encode("latin-1") if isinstance(data, str) else data
    return np.frombuffer(raw, dtype=_no_objects(dtype), count=1)[0]


def _no_objects(dtype: object) -> np.dtype[Any]:
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        msg = f"numbers of kind {dtype!r}"
        raise pickle.UnpicklingError(msg)
    return dtype


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Return the bytes that old protocols spell as text."""
    if encoding not in ("latin1", "latin-1"):
        msg = f"bytes are spelled in {encoding!r}"
        raise pickle.UnpicklingError(msg)
    return text.encode("latin-1")
