"""Genes of a screen matched with those of a model, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import FitError
from perturbridge.values import Finding

from .cells._table import GeneMap

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["match_genes"]

MOST_MISSING = 0.1


def match_genes(wanted: Sequence[str], given: Sequence[str]) -> tuple[GeneMap, tuple[Finding, ...]]:
    """Find each gene of a model among those of a screen; those that are missing count as not seen, and are reported.

    Raises
    ------
    FitError
        If more than 10 % of the genes of the model are missing.
    """
    if tuple(wanted) == tuple(given):
        return GeneMap(None, len(wanted)), ()
    place = {name: i for i, name in enumerate(wanted)}
    places = np.array([place.get(name, -1) for name in given], dtype=np.int64)
    there = set(given)
    missing = [name for name in wanted if name not in there]
    if len(missing) > MOST_MISSING * len(wanted):
        problem = f"{len(missing)} of the {len(wanted)} genes of the model are not in this screen, the first is {missing[0]!r}."
        raise FitError(
            problem,
            cure="Use a screen with at least 90 % of them, check the gene names, or fit on the genes both have.",
        )
    findings = []
    if missing:
        message = "Genes of the model that this screen does not have count as not seen."
        findings.append(
            Finding(level="warning", code="missing_genes", message=message, count=len(missing), example=missing[0])
        )
    unused = [name for name in given if name not in place]
    if unused:
        message = "Genes of this screen that the model does not have are not used."
        findings.append(
            Finding(level="info", code="unused_genes", message=message, count=len(unused), example=unused[0])
        )
    return GeneMap(places, len(wanted)), tuple(findings)
