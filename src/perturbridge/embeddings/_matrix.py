"""Vectors of any form as one float32 matrix: every number kept, every odd row counted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.errors import EmbeddingError

from ._raw import check_claim, noticed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Finding

__all__ = ["as_matrix", "first_equal_row", "unusable_rows"]

_ROWS_AT_ONCE = 1024
_CURE = "Remove or repair these genes in the file, then read it again."


def as_matrix(vectors: Any, *, name_of_row: Sequence[str], where: str) -> tuple[NDArray[np.float32], bool]:  # noqa: ANN401
    """Return the vectors as float32 `(n_vectors, n_dims)` and whether any number had to be rounded.

    Parameters
    ----------
    vectors
        A matrix, or one sequence of numbers per vector; a vector of shape `(1, n_dims)` counts as `(n_dims,)`.
    name_of_row
        A gene for each vector `(n_vectors,)`, for messages.
    where
        Name of the file, for messages.

    Raises
    ------
    EmbeddingError
        If lengths differ, an entry is not a real number, or a number is too large for float32.
    """
    if isinstance(vectors, np.ndarray) and vectors.ndim == 2 and vectors.dtype != object:
        _check_kind(vectors, name_of_row, where=where)
        check_claim(where, vectors.size)
        return _narrow(vectors, name_of_row, where=where)
    rows = [_vector(vector, name, where=where) for vector, name in zip(vectors, name_of_row, strict=True)]
    lengths = Counter(len(row) for row in rows)
    if len(lengths) > 1:
        usual = lengths.most_common(1)[0][0]
        odd = next(i for i, row in enumerate(rows) if len(row) != usual)
        problem = (
            f"{where} has vectors of {len(lengths)} lengths: {lengths[usual]} have {usual} numbers, "
            f"{len(rows) - lengths[usual]} do not, the first is {name_of_row[odd]!r} with {len(rows[odd])}."
        )
        raise EmbeddingError(problem, cure=_CURE)
    n_dims = next(iter(lengths), 0)
    check_claim(where, len(rows) * n_dims)
    matrix = np.empty((len(rows), n_dims), dtype=np.float32)
    rounded = False
    for i, row in enumerate(rows):
        narrow, changed = _narrow(row[None], name_of_row[i : i + 1], where=where)
        matrix[i] = narrow[0]
        rounded |= changed
        rows[i] = matrix[i]
    return matrix, rounded


def _vector(value: object, name: str, *, where: str) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        array = np.empty((), dtype=object)
    if array.ndim > 1 and max(array.shape) == array.size:
        array = array.reshape(-1)
    if array.ndim != 1:
        problem = f"{where} has no vector for {name!r} but {_describe(value)}."
        raise EmbeddingError(problem, cure="Pass a table with one list of numbers per gene.")
    _check_kind(array[None], [name], where=where)
    return array


def _describe(value: object) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")


def _check_kind(array: NDArray[Any], name_of_row: Sequence[str], *, where: str) -> None:
    if array.dtype.kind in "fiu" and array.dtype.itemsize <= 8:
        return
    first = array.reshape(-1)[0] if array.size else ""
    problem = f"{where} holds {array.dtype} where numbers should be, first for {name_of_row[0]!r}: {str(first)[:40]!r}."
    raise EmbeddingError(problem, cure="Write the vectors as plain real numbers.")


def _narrow(array: NDArray[Any], name_of_row: Sequence[str], *, where: str) -> tuple[NDArray[np.float32], bool]:
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(array, dtype=np.float32)
    if array.dtype == np.float32:
        return narrow, False
    lost = np.isinf(narrow) & np.isfinite(array)
    if lost.any():
        row, dim = np.argwhere(lost)[0]
        problem = (
            f"{where} has {int(lost.sum())} numbers beyond float32, the first {array[row, dim]:.3g} "
            f"for {name_of_row[row]!r} in dimension {dim}."
        )
        raise EmbeddingError(problem, cure="Rescale the embedding.")
    return narrow, not np.array_equal(narrow, array, equal_nan=True)


def unusable_rows(
    matrix: NDArray[np.float32], name_of_row: Sequence[str], *, where: str
) -> tuple[NDArray[np.bool_], tuple[Finding, ...]]:
    """Return which vectors say nothing, with a finding for each kind: all NaN (no value known) or all zero (no direction).

    Raises
    ------
    EmbeddingError
        If a vector is NaN or infinite in part, which is damage and not absence.
    """
    # By blocks: a mask of all entries would be a quarter as large as the matrix.
    whole = _by_block(lambda block: np.isfinite(block).all(axis=1), matrix)
    absent = ~whole if whole.all() else _by_block(lambda block: np.isnan(block).all(axis=1), matrix)
    damaged = ~whole & ~absent
    if damaged.any():
        row = int(np.flatnonzero(damaged)[0])
        dim = int(np.flatnonzero(~np.isfinite(matrix[row]))[0])
        problem = (
            f"{where} has {int(damaged.sum())} vectors with NaN or infinite entries, the first {name_of_row[row]!r} "
            f"with {matrix[row, dim]} in dimension {dim}."
        )
        raise EmbeddingError(problem, cure=_CURE)
    zero = whole & ~_by_block(lambda block: block.any(axis=1), matrix)
    message = "Vectors that are {} throughout were left out: these genes count as missing."
    return np.asarray(absent | zero), (
        *noticed("nan_vectors", message.format("NaN"), _those(name_of_row, np.asarray(absent)), warn=True),
        *noticed("zero_vectors", message.format("zero"), _those(name_of_row, np.asarray(zero)), warn=True),
    )


def _by_block(test: Callable[[NDArray[np.float32]], Any], matrix: NDArray[np.float32]) -> NDArray[np.bool_]:
    blocks = [np.asarray(test(matrix[i : i + _ROWS_AT_ONCE])) for i in range(0, len(matrix), _ROWS_AT_ONCE)]
    return np.concatenate([np.empty(0, dtype=np.bool_), *blocks])


def _those(names: Sequence[str], mask: NDArray[np.bool_]) -> list[str]:
    return [names[i] for i in np.flatnonzero(mask).tolist()]


def first_equal_row(matrix: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return for each row the first row with the same bytes `(n_rows,)`."""
    first = np.arange(len(matrix))
    seen: dict[int, list[int]] = {}
    for i, row in enumerate(matrix):
        alike = seen.setdefault(hash(row.tobytes()), [])
        same = next((j for j in alike if np.array_equal(matrix[j], row)), None)
        if same is None:
            alike.append(i)
        else:
            first[i] = same
    return first
