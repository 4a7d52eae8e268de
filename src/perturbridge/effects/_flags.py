"""What each predicted row lacks, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._support import nearest_distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from perturbridge.values import PerturbationName

    from ._fitted import Fitted

__all__ = ["flags"]


def flags(
    fitted: Fitted, names: Sequence[PerturbationName], *, genes: tuple[str, ...], found: Sequence[NDArray[np.int64]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return status and detail of each row, over the sources that have a say in the prediction.

    Parameters
    ----------
    fitted
        The model.
    names
        Rows.
    genes
        All genes of the rows.
    found
        Row of each gene in each source, -1 where it has none.
    """
    sources = {s: fitted.kernels[s].features.source.name for s in fitted.used}
    lacks = {gene: [name for s, name in sources.items() if found[s][j] < 0] for j, gene in enumerate(genes)}
    far = _far(fitted, genes, found=found)
    status, detail = [], []
    for name in names:
        lost = [f"{gene} has no vector in {source}" for gene in name.genes for source in lacks[gene]]
        own = {fitted.known[row] for row in fitted.own_rows(name)}
        informed = any(len(lacks[gene]) < len(sources) or gene in own for gene in name.genes)
        outside = [far[gene] for gene in name.genes if gene in far and gene not in own]
        status.append(
            "no_embedding"
            if lost and not informed
            else "partial_embedding"
            if lost
            else "out_of_support"
            if outside
            else "predicted"
        )
        detail.append("; ".join([*lost, *outside]))
    return tuple(status), tuple(detail)


def _far(fitted: Fitted, genes: tuple[str, ...], *, found: Sequence[NDArray[np.int64]]) -> dict[str, str]:
    """Genes that lie beyond reach in every source that has a vector for them."""
    distance = {s: nearest_distance(fitted.kernels[s].features, found[s]) for s in fitted.used}
    out = {}
    for j, gene in enumerate(genes):
        known = [s for s in fitted.used if found[s][j] >= 0]
        if known and all(distance[s][j] > fitted.reaches[s] for s in known):
            told = ", ".join(
                f"{fitted.kernels[s].features.source.name} (cosine distance {distance[s][j]:.2f}, training genes within {fitted.reaches[s]:.2f})"
                for s in known
            )
            out[gene] = f"{gene} is far from every training gene in {told}"
    return out
