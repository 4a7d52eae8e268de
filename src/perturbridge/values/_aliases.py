"""Gene names that changed: a table that resolves what is certain and refuses to guess the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perturbridge._checks import FrozenMapping

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["GeneAliases", "ensembl_stem"]

_ENSEMBL = re.compile(r"(ENS[A-Z]*G\d{11})(\.\d+)?")


def ensembl_stem(name: str) -> str:
    """Return an Ensembl gene id without its version, or an empty string for any other name.

    Examples
    --------
    >>> ensembl_stem("ENSG00000141510.18"), ensembl_stem("ENSA")
    ('ENSG00000141510', '')
    """
    match = _ENSEMBL.fullmatch(name)
    return match.group(1) if match else ""


def _nothing() -> Mapping[str, tuple[str, ...]]:
    return FrozenMapping({})


@dataclass(frozen=True, eq=False)
class GeneAliases:
    """Approved symbols with their previous symbols, aliases and Ensembl ids.

    Parameters
    ----------
    approved
        Current symbols.
    previous, alias
        Old or alternative name ▸ the current symbols it may mean; more than one means ambiguous.
    ensembl
        Ensembl gene id without version ▸ current symbol.
    entrez
        Entrez gene id ▸ current symbol.
    excel
        Date that a spreadsheet makes of a gene name, such as `"1-Sep"` ▸ the current symbols it may mean.
    """

    approved: frozenset[str] = frozenset()
    previous: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)
    alias: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)
    ensembl: Mapping[str, str] = field(default_factory=lambda: FrozenMapping({}))
    entrez: Mapping[str, str] = field(default_factory=lambda: FrozenMapping({}))
    excel: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)

    def current(self, name: str) -> tuple[str, str]:
        """Return the current symbol and how it was found; an empty symbol with `"ambiguous"` or `"missing"` where it is not certain.

        `how` is `"exact"` for an approved symbol, then `"ensembl"` and `"entrez"` for their ids, `"previous"`, `"alias"`,
        `"excel_date"`. An old name of one gene that is also an alias of another is ambiguous (TAZ: TAFAZZIN or WWTR1).
        """
        if name in self.approved:
            return name, "exact"
        stem = ensembl_stem(name)
        if stem or name.isdecimal():
            symbol = self.ensembl.get(stem) if stem else self.entrez.get(name)
            return (symbol, "ensembl" if stem else "entrez") if symbol else ("", "missing")
        meanings = {*self.previous.get(name, ()), *self.alias.get(name, ())}
        how = "previous" if name in self.previous else "alias"
        if not meanings:
            meanings, how = set(self.excel.get(name, ())), "excel_date"
        if len(meanings) > 1:
            return "", "ambiguous"
        return (meanings.pop(), how) if meanings else ("", "missing")
