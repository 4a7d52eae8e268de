"""Gene names that changed: a table that resolves what is certain and refuses to guess the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["GeneAliases"]

_ENSEMBL = re.compile(r"^(ENS[A-Z]*G\d{11})(\.\d+)?$")


def _nothing() -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({})


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
    """

    approved: frozenset[str] = frozenset()
    previous: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)
    alias: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)
    ensembl: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def current(self, name: str) -> tuple[str, str]:
        """Return the current symbol and how it was found; an empty symbol with `"ambiguous"` or `"missing"` where it is not certain.

        `how` is `"exact"` for an approved symbol, then `"ensembl"`, `"previous"`, `"alias"`.
        """
        if name in self.approved:
            return name, "exact"
        match = _ENSEMBL.match(name)
        if match:
            symbol = self.ensembl.get(match.group(1), "")
            return symbol, "ensembl" if symbol else "missing"
        for how, table in (("previous", self.previous), ("alias", self.alias)):
            meanings = table.get(name, ())
            if len(meanings) == 1:
                return meanings[0], how
            if meanings:
                return "", "ambiguous"
        return "", "missing"
