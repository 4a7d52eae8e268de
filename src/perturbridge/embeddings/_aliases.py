"""The table of gene names: the one that ships, or the user's own."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge._checks import FrozenMapping
from perturbridge.errors import EmbeddingError
from perturbridge.values import GeneAliases

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["default_aliases", "read_aliases"]

_COLUMNS = ("symbol", "previous", "alias", "ensembl", "entrez")
# What Excel takes for a date: a month, as a name or its beginning, and a day.
_MONTHS = "JAN FEB MARCH MARC MAR APRIL APR MAY JUNE JUN JULY JUL AUG SEPT SEP OCT NOV DEC"
_DATE_LINE = re.compile(rf"^(({_MONTHS.replace(' ', '|')})-?0?([1-9]|[12]\d|3[01]))$", re.MULTILINE)


def read_aliases(path: str | Path | None = None) -> GeneAliases:
    """Read a table of gene names.

    Parameters
    ----------
    path
        Tab-separated text (may be gzip) with a header; column `symbol` is needed, `previous`, `alias`, `ensembl` and `entrez`
        may follow, with several entries joined by `|`. None reads the table that ships: 41,059 human symbols.

    Returns
    -------
    GeneAliases
        A name that several genes have had stays with all of them and is therefore ambiguous. Spreadsheet dates
        (`1-Sep`, `Sep-01`) are worked out from the names that Excel turns into them.

    Raises
    ------
    EmbeddingError
        If the file cannot be read, has no column `symbol`, or gives one Ensembl or Entrez id to two symbols.
    """
    if path is None:
        return default_aliases()
    file = Path(path)
    try:
        return _parse(file.read_bytes(), where=str(file))
    except OSError as error:
        problem = f"{file} cannot be read: {error.strerror}."
        raise EmbeddingError(problem, cure="Pass a tab-separated table of gene names.") from error


@cache
def default_aliases() -> GeneAliases:
    """Return the table that ships, read once."""
    file = files("perturbridge.embeddings") / "data" / "gene_names.tsv.gz"
    return _parse(file.read_bytes(), where="the table of gene names that ships")


def _parse(data: bytes, *, where: str) -> GeneAliases:
    columns = _columns(data, where=where)
    symbols = columns["symbol"]
    previous, alias = (_many(symbols, columns[column]) for column in ("previous", "alias"))
    ids = {column: _one(symbols, columns[column], column=column, where=where) for column in ("ensembl", "entrez")}
    plain = GeneAliases(
        approved=frozenset(symbols),
        previous=FrozenMapping(previous),
        alias=FrozenMapping(alias),
        ensembl=FrozenMapping({key.partition(".")[0]: symbol for key, symbol in ids["ensembl"].items()}),
        entrez=FrozenMapping(ids["entrez"]),
    )
    return replace(plain, excel=FrozenMapping(_dates(plain)))


def _columns(data: bytes, *, where: str) -> dict[str, list[str]]:
    """Return the columns by name, empty ones for those the table lacks."""
    try:
        text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        problem = f"{where} is not readable text: {error}."
        raise EmbeddingError(problem, cure="Save the table as tab-separated UTF-8.") from error
    rows = [line.split("\t") for line in text.splitlines()]
    titles = [title.strip().lower() for title in rows[0]] if rows else []
    if "symbol" not in titles:
        problem = f"{where} has no column 'symbol'; its first line is {', '.join(map(repr, titles[:5]))}."
        raise EmbeddingError(problem, cure=f"Use the columns {', '.join(_COLUMNS)}, separated by tabs.")
    body = [row for row in rows[1:] if row]
    short = next((i for i, row in enumerate(body) if len(row) > len(titles) or not row[titles.index("symbol")]), None)
    if short is not None:
        problem = f"{where} has {len(body[short])} fields for {len(titles)} columns, or no symbol, in line {short + 2}."
        raise EmbeddingError(problem, cure="Write one symbol and as many fields as titles in every line.")
    n_fields = len(titles)
    padded = [row if len(row) == n_fields else row + [""] * (n_fields - len(row)) for row in body]
    taken = dict(zip(titles, map(list, zip(*padded, strict=True)), strict=True)) if padded else {}
    return {column: taken.get(column, [""] * len(padded)) for column in _COLUMNS}


def _pairs(symbols: Iterable[str], lists: Iterable[str]) -> Iterator[tuple[str, str]]:
    for symbol, text in zip(symbols, lists, strict=True):
        if "|" in text:
            for name in text.split("|"):
                yield name.strip(), symbol
        elif text:
            yield text.strip(), symbol


def _many(symbols: list[str], lists: list[str]) -> dict[str, tuple[str, ...]]:
    meanings: dict[str, tuple[str, ...]] = {}
    for name, symbol in _pairs(symbols, lists):
        others = meanings.get(name)
        if others is None:
            meanings[name] = (symbol,)
        elif symbol not in others:
            meanings[name] = (*others, symbol)
    return meanings


def _one(symbols: list[str], lists: list[str], *, column: str, where: str) -> dict[str, str]:
    meaning: dict[str, str] = {}
    for name, symbol in _pairs(symbols, lists):
        if meaning.setdefault(name, symbol) != symbol:
            problem = f"{where} gives {column} id {name!r} to {meaning[name]!r} and to {symbol!r}."
            raise EmbeddingError(problem, cure="Keep one of them.")
    return meaning


def _dates(plain: GeneAliases) -> dict[str, tuple[str, ...]]:
    """Return each date that a spreadsheet makes of a gene name, with the current symbols it may have been.

    Tables of data bear approved names, so an alias counts only where no present or former symbol gives the date.
    """
    found: dict[str, set[str]] = {}
    for names in ({*plain.approved, *plain.previous}, set(plain.alias) - set(plain.previous)):
        fresh: dict[str, set[str]] = {}
        for name, month, day in _DATE_LINE.findall("\n".join(names)):
            symbol, _ = plain.current(name)
            meanings = {symbol} if symbol else {*plain.previous.get(name, ()), *plain.alias.get(name, ())}
            for spelling in _spellings(month[:3].title(), day):
                fresh.setdefault(spelling, set()).update(meanings)
        found = fresh | found
    return {date: tuple(sorted(symbols)) for date, symbols in found.items()}


def _spellings(month: str, day: str) -> tuple[str, ...]:
    return f"{day}-{month}", f"{day:0>2}-{month}", f"{month}-{day}", f"{month}-{day:0>2}"
