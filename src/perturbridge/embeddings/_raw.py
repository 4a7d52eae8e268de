"""What a reader hands on: names, vectors and what it noticed, before anything is checked."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturbridge.errors import EmbeddingError, PerturbridgeError
from perturbridge.values import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["MAX_VALUES", "RawTable", "check_claim", "noticed", "reading", "table_of_mapping"]

# 4 GiB as float32: ten times the largest table in use, 20,000 genes x 5,120 dimensions.
MAX_VALUES = 1 << 30

_NAME_KEYS = ("genes", "gene", "gene_names", "gene_symbols", "symbols", "symbol", "gene_ids", "names", "ids", "index", "keys", "obs_names")  # fmt: skip
_MATRIX_KEYS = ("vectors", "embeddings", "embedding", "matrix", "gene_embeddings", "emb", "X", "data", "values", "weight")  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class RawTable:
    """Names and vectors as the file has them.

    Parameters
    ----------
    names
        One key per entry, of any type the file allows.
    vectors
        A matrix `(n_vectors, n_dims)`, or one sequence of numbers per vector.
    rows
        For each name its vector `(n_names,)`, or None where they run in parallel.
    rounded
        Whether the reader had to round numbers to float32; None where the vectors still show it.
    findings
        What the reader noticed.
    """

    names: Sequence[object]
    vectors: Any
    rows: NDArray[np.int64] | None = None
    rounded: bool | None = None
    findings: tuple[Finding, ...] = field(default=())


def check_claim(where: str, n_values: int) -> None:
    """Refuse a file that says it holds more numbers than any embedding has.

    Raises
    ------
    EmbeddingError
        If it claims more than `MAX_VALUES`.
    """
    if n_values > MAX_VALUES:
        problem = f"{where} claims {n_values:,} numbers; the limit is {MAX_VALUES:,}."
        raise EmbeddingError(problem, cure="Check that this is the file you meant, or keep only the genes you need.")


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn whatever a damaged file makes a library raise into an error of ours.

    Raises
    ------
    EmbeddingError
        For any exception that is not one of ours already.
    """
    try:
        yield
    except PerturbridgeError:
        raise
    # Zip, gzip, HDF5, Arrow, JSON and numpy headers each have exceptions of their own, and raise others by accident.
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        problem = f"{where} is damaged or not what it begins like: {type(error).__name__}, {said}."
        raise EmbeddingError(problem, cure="Download or write it again.") from error


def noticed(code: str, message: str, names: Sequence[str], *, warn: bool = False) -> tuple[Finding, ...]:
    """Return one finding about these names, or none where there are no names."""
    if not names:
        return ()
    level: Literal["info", "warning"] = "warning" if warn else "info"
    return (Finding(level=level, code=code, message=message, count=len(names), example=names[0]),)


def table_of_mapping(mapping: Mapping[Any, Any], *, where: str) -> RawTable:
    """Return the table in a dict: gene ▸ vector, or one entry with the names and one with the matrix.

    Names that hold the same object share one vector.

    Raises
    ------
    EmbeddingError
        If the dict is empty.
    """
    if not mapping:
        problem = f"{where} holds an empty dict."
        raise EmbeddingError(problem, cure="Check the file.")
    pair = _names_and_matrix(mapping)
    if pair is not None:
        return RawTable(names=pair[0], vectors=pair[1])
    first_of: dict[int, int] = {}
    vectors: list[Any] = []
    rows = np.empty(len(mapping), dtype=np.int64)
    for i, vector in enumerate(mapping.values()):
        rows[i] = first_of.setdefault(id(vector), len(vectors))
        if rows[i] == len(vectors):
            vectors.append(vector)
    return RawTable(names=list(mapping), vectors=vectors, rows=rows)


def _names_and_matrix(mapping: Mapping[Any, Any]) -> tuple[list[object], NDArray[Any]] | None:
    """Return names and matrix where the keys are the usual words for them."""
    names_key = next((key for key in _NAME_KEYS if key in mapping), None)
    matrix_key = next((key for key in _MATRIX_KEYS if key in mapping), None)
    if names_key is None or matrix_key is None:
        return None
    names, matrix = list(mapping[names_key]), np.asarray(mapping[matrix_key])
    if matrix.ndim != 2 or len(names) not in matrix.shape or not all(isinstance(name, str) for name in names):
        return None
    return names, matrix if len(matrix) == len(names) else matrix.T
