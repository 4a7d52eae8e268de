"""Tables with a row per gene or a column per gene: which of the two, and which column holds the names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturbridge.errors import EmbeddingError
from perturbridge.values import Finding, ensembl_stem

from ._raw import RawTable, noticed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from perturbridge.values import GeneAliases

__all__ = ["Orientation", "left_out", "name_column", "table_of_axes", "table_of_frame"]

Orientation = Literal["auto", "genes_as_rows", "genes_as_columns"]

_DIMENSION = re.compile(
    r"(unnamed:?|dim(ension)?|emb(edding)?|pc|f|v|d|x|z|e|h|feature|feat|latent|comp(onent)?|factor|svd|col)?[_\-. :]?\d+",
    re.IGNORECASE,
)
_NAME_COLUMNS = ("gene", "genes", "gene_name", "gene_symbol", "symbol", "gene_id", "ensembl_id", "name", "index", "id")
_LOOK_AT = 400


def _genes_along(
    rows: Sequence[str], columns: Sequence[str], *, orientation: Orientation, aliases: GeneAliases, where: str
) -> tuple[Literal["rows", "columns"], str]:
    """Return the axis that holds the genes and the reason.

    One axis has more names that are known gene names (at least half of them, and more than the other); where neither has,
    one axis is named like dimensions (`dim_0`, `PC1`, `0`) and the other is not.

    Raises
    ------
    EmbeddingError
        If the names do not tell.
    """
    if orientation != "auto":
        return ("rows" if orientation == "genes_as_rows" else "columns"), "as asked"
    known_rows, known_columns = _share_known(rows, aliases), _share_known(columns, aliases)
    if max(known_rows, known_columns) >= 0.5 and known_rows != known_columns:
        axis: Literal["rows", "columns"] = "rows" if known_rows > known_columns else "columns"
        return axis, f"{max(known_rows, known_columns):.0%} of the {axis} are known gene names"
    like_rows, like_columns = _share_dimensions(rows), _share_dimensions(columns)
    if max(like_rows, like_columns) >= 0.9 and min(like_rows, like_columns) < 0.5:
        axis = "rows" if like_columns > like_rows else "columns"
        return axis, f"the {'columns' if axis == 'rows' else 'rows'} are named like dimensions"
    problem = (
        f"{where} does not tell whether genes are rows ({', '.join(map(repr, rows[:3]))}) "
        f"or columns ({', '.join(map(repr, columns[:3]))})."
    )
    raise EmbeddingError(problem, cure="Pass orientation='genes_as_rows' or 'genes_as_columns'.")


def _share_known(names: Sequence[str], aliases: GeneAliases) -> float:
    # Numbers that count up are positions, though each is also the Entrez id of some gene.
    if list(names) in ([str(i + start) for i in range(len(names))] for start in (0, 1)):
        return 0.0
    some = _some(names)
    known = [ensembl_stem(name) or aliases.current(name)[1] not in ("missing", "excel_date") for name in some]
    return sum(map(bool, known)) / max(len(some), 1)


def _share_dimensions(names: Sequence[str]) -> float:
    some = _some(names)
    return sum(bool(_DIMENSION.fullmatch(name)) for name in some) / max(len(some), 1)


def _some(names: Sequence[str]) -> Sequence[str]:
    """Return up to `_LOOK_AT` names from all over the axis."""
    return names[:: max(len(names) // _LOOK_AT, 1)]


def table_of_axes(
    matrix: NDArray[Any],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    orientation: Orientation,
    aliases: GeneAliases,
    where: str,
) -> RawTable:
    """Return the table of a matrix with names on both axes."""
    axis, reason = _genes_along(rows, columns, orientation=orientation, aliases=aliases, where=where)
    finding = Finding(level="info", code=f"genes_as_{axis}", message=f"Genes were taken from the {axis}: {reason}.")
    by_gene = axis == "rows"
    return RawTable(
        names=list(rows if by_gene else columns), vectors=matrix if by_gene else matrix.T, findings=(finding,)
    )


def table_of_frame(frame: pd.DataFrame, *, orientation: Orientation, aliases: GeneAliases, where: str) -> RawTable:
    """Return the table of a data frame: names in its index or in a text column, numbers in the other columns.

    Text columns beside the names are left out and said.

    Raises
    ------
    EmbeddingError
        If there are no numbers, or several text columns and none is named like gene names.
    """
    numeric = np.array([dtype.kind in "fiu" for dtype in frame.dtypes], dtype=bool)
    text = [column for column, is_number in zip(range(frame.shape[1]), numeric, strict=True) if not is_number]
    if not numeric.any():
        problem = f"{where} has {frame.shape[1]} columns and no numbers in any: {_list(frame.columns.tolist())}."
        raise EmbeddingError(problem, cure="Write one column per dimension, or one list of numbers per gene.")
    values = frame.loc[:, numeric].to_numpy()
    columns = [str(column) for column in frame.columns[numeric]]
    if not text:
        rows = [str(label) for label in frame.index]
        return table_of_axes(values, rows, columns, orientation=orientation, aliases=aliases, where=where)
    chosen = name_column([str(column) for column in frame.columns], text, where=where)
    rows = [label if isinstance(label, str) else "" for label in frame.iloc[:, chosen]]
    raw = table_of_axes(values, rows, columns, orientation=orientation, aliases=aliases, where=where)
    ignored = [str(frame.columns[i]) for i in text if i != chosen]
    return RawTable(names=raw.names, vectors=raw.vectors, findings=raw.findings + left_out("text columns", ignored))


def name_column(titles: Sequence[str], text: Sequence[int], *, where: str) -> int:
    """Return which of the text columns holds the gene names: the only one, or the one with the usual title.

    Raises
    ------
    EmbeddingError
        If there are several and none has a usual title.
    """
    if len(text) == 1:
        return text[0]
    lowered = [titles[i].strip().lower() for i in text]
    for usual in _NAME_COLUMNS:
        if usual in lowered:
            return text[lowered.index(usual)]
    problem = f"{where} has {len(text)} text columns and none is named like gene names: {_list(lowered)}."
    raise EmbeddingError(problem, cure="Call the column of gene names 'gene'.")


def _list(names: Sequence[object]) -> str:
    return ", ".join(repr(str(name)) for name in list(names)[:5]) + (", …" if len(names) > 5 else "")


def left_out(what: str, names: Sequence[str]) -> tuple[Finding, ...]:
    """Return the finding that some parts of the file were not used, or none."""
    return noticed("left_out", f"These {what} of the file were not used: {_list(names)}.", names)
