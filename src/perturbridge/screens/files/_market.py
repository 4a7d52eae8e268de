"""Matrix Market files, plain or gzip, checked before memory is taken."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from scipy import io, sparse

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from scipy.sparse import csr_matrix

__all__ = ["MarketHeader", "market_header", "read_market"]

_SHORTEST_LINE = 6
_MOST_COMPRESSED = 1100
_EXACT_IN_FLOAT32 = 2**24
_CURE = "Write it again, for example with scipy.io.mmwrite."


@dataclass(frozen=True)
class MarketHeader:
    """What the head of a Matrix Market file says.

    Parameters
    ----------
    shape
        Rows and columns.
    n_values
        Stored values.
    """

    shape: tuple[int, int]
    n_values: int


def _opened(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def market_header(path: Path) -> MarketHeader:
    """Read shape and number of values.

    Raises
    ------
    DataError
        If it is not a general sparse matrix of numbers, or claims more values than the file can hold.
    """
    try:
        with _opened(path) as file:
            kind = file.readline(1024).decode("ascii").casefold().split()
            line = file.readline(4096)
            while line.startswith(b"%"):
                line = file.readline(4096)
            numbers = [int(part) for part in line.split()]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        problem = f"{str(path)!r} cannot be read: {' '.join(str(error).split())[:200]}."
        raise DataError(problem, cure=_CURE) from error
    if kind[:3] != ["%%matrixmarket", "matrix", "coordinate"] or kind[3:] not in (
        ["integer", "general"],
        ["real", "general"],
    ):
        problem = f"{str(path)!r} starts with {' '.join(kind)[:80]!r}, expected a general coordinate matrix of integers or reals."
        raise DataError(problem, cure=_CURE)
    if len(numbers) != 3 or min(numbers) < 0:
        problem = f"{str(path)!r} gives {numbers} as rows, columns and values."
        raise DataError(problem, cure=_CURE)
    n_bytes = path.stat().st_size * (_MOST_COMPRESSED if path.suffix == ".gz" else 1)
    if numbers[2] * _SHORTEST_LINE > n_bytes + _SHORTEST_LINE:
        problem = f"{str(path)!r} claims {numbers[2]:,} values, but holds {path.stat().st_size:,} bytes."
        raise DataError(problem, cure="The file is cut short: copy or download it again.")
    return MarketHeader((numbers[0], numbers[1]), numbers[2])


def read_market(path: Path, *, turned: bool = False) -> csr_matrix[Any]:
    """Return the matrix as CSR, as it lies in the file or turned around; about 20 bytes of memory per value while it is read.

    Raises
    ------
    DataError
        If the text is broken, cut short, points outside the matrix, or stores an entry twice.
    """
    header = market_header(path)
    try:
        entries = sparse.coo_matrix(io.mmread(path))
    except (OSError, EOFError, zlib.error, ValueError, OverflowError) as error:
        problem = f"{str(path)!r} cannot be read: {' '.join(str(error).split())[:200]}."
        raise DataError(problem, cure=_CURE) from error
    n_read, data = entries.nnz, entries.data
    if data.dtype.kind in "iu":
        small = not len(data) or (data.min() >= -_EXACT_IN_FLOAT32 and data.max() <= _EXACT_IN_FLOAT32)
        # Before the rows are sorted, which needs room for both.
        entries.data = data = data.astype(np.float32 if small else np.float64)
    matrix = (entries.T if turned else entries).tocsr()
    if matrix.nnz != header.n_values or n_read != header.n_values:
        problem = f"{str(path)!r} announces {header.n_values:,} values, but {n_read:,} were read and {n_read - matrix.nnz:,} of them stand twice."
        raise DataError(problem, cure=_CURE)
    return matrix
