"""Vectors as parquet: a column per dimension, a column per gene, or one column of lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.errors import EmbeddingError

from ._frame import Orientation, left_out, name_column, table_of_frame
from ._raw import RawTable, check_claim

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from perturbridge.values import GeneAliases

__all__ = ["read_parquet"]


def read_parquet(path: Path, *, orientation: Orientation, aliases: GeneAliases) -> RawTable:
    """Read a parquet table; what its footer claims is checked before any value is read.

    Raises
    ------
    EmbeddingError
        If the file claims too much, or has neither number columns nor one column of number lists.
    """
    import pyarrow.parquet as pq

    where = str(path)
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        check_claim(where, sum(group.column(j).num_values for group in groups for j in range(group.num_columns)))
        table = file.read()
    lists = [i for i, kind in enumerate(table.schema.types) if _is_list(kind)]
    if lists:
        return _table_of_lists(table, lists, where=where)
    return table_of_frame(table.to_pandas(), orientation=orientation, aliases=aliases, where=where)


def _is_list(kind: Any) -> bool:  # noqa: ANN401
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _table_of_lists(table: Any, lists: list[int], *, where: str) -> RawTable:  # noqa: ANN401
    """Return the table of a column of names and a column of vectors; other columns are left out and said."""
    import pyarrow as pa

    text = [
        i for i, kind in enumerate(table.schema.types) if pa.types.is_string(kind) or pa.types.is_large_string(kind)
    ]
    if len(lists) > 1 or not text:
        problem = f"{where} has {len(lists)} columns of lists and {len(text)} of text: {table.column_names}."
        raise EmbeddingError(problem, cure="Keep one column 'gene' and one column of vectors.")
    chosen = name_column(table.column_names, text, where=where)
    rest = [name for i, name in enumerate(table.column_names) if i not in (chosen, lists[0])]
    names = ["" if name is None else name for name in table.column(chosen).to_pylist()]
    vectors = _vectors(table.column(lists[0]).combine_chunks())
    return RawTable(names=names, vectors=vectors, findings=left_out("columns", rest))


def _vectors(column: Any) -> list[NDArray[Any]]:  # noqa: ANN401
    flat = column.flatten().to_numpy(zero_copy_only=False)
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return np.split(flat, np.cumsum(lengths)[:-1])
