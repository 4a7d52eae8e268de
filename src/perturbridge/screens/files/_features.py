"""What the 10x formats list beside genes, and what their barcodes say."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError
from perturbridge.values import Finding

from ._column import Column, column_of_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["GEM_GROUP", "expressed", "gem_groups"]

GENES = "Gene Expression"
GEM_GROUP = "gem_group"


def expressed(types: Sequence[str], *, where: str) -> tuple[NDArray[np.int64], tuple[Finding, ...]]:
    """Return which features are genes `(n_genes,)`, and a finding that counts the others, such as guides and antibodies.

    Raises
    ------
    DataError
        If feature types are given and none is `Gene Expression`.
    """
    counts = Counter(types)
    others = {kind: n for kind, n in counts.items() if kind not in (GENES, "")}
    if not others:
        return np.arange(len(types), dtype=np.int64), ()
    said = ", ".join(f"{n:,} {kind!r}" for kind, n in sorted(others.items()))
    if GENES not in counts:
        problem = f"{where} holds {said} and no {GENES!r}."
        raise DataError(problem, cure="Pass the matrix of the gene expression library.")
    message = f"Features that are not genes are left out of the matrix: {said}."
    finding = Finding(
        level="info", code="other_features", message=message, count=sum(others.values()), example=next(iter(others))
    )
    return np.flatnonzero(np.array(types) == GENES).astype(np.int64), (finding,)


def gem_groups(barcodes: Sequence[str]) -> Column | None:
    """Return the library of each cell from the number behind its barcode (`AAAC-2`), None where all share one or have none."""
    ends = [barcode.rpartition("-")[2] if "-" in barcode else "" for barcode in barcodes]
    if len(set(ends)) < 2 or not all(end.isdecimal() for end in ends):
        return None
    return column_of_values(GEM_GROUP, np.array(ends, dtype=object))
