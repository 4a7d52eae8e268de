"""How sure a prediction may be of its embedding: the words of `Prediction`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import PerturbationName

    from ._genes import GeneSpace

__all__ = ["reaches_of", "statuses"]

# Share of the training genes whose own nearest neighbour is within reach, and the fewest genes that can tell.
_WITHIN, _FEWEST = 0.99, 19


def reaches_of(space: GeneSpace, genes: Sequence[str]) -> tuple[float, ...]:
    """Cosine distance to the nearest other training gene that 99 % of training genes do not exceed, for each source; ∞ below 19 genes."""
    out = []
    for unit, here in zip(space.directions(genes), space.found(genes), strict=True):
        known = unit[here]
        if len(known) < _FEWEST:
            out.append(float("inf"))
            continue
        cosine = known @ known.T
        np.fill_diagonal(cosine, -np.inf)
        out.append(float(np.quantile(1.0 - cosine.max(axis=1), _WITHIN, method="higher")))
    return tuple(out)


def statuses(
    names: Sequence[PerturbationName],
    *,
    space: GeneSpace,
    anchors: Sequence[str],
    reaches: Sequence[float],
    measured: Sequence[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return status and detail of each perturbation, over the sources that have a say.

    Parameters
    ----------
    names
        Perturbations.
    space
        Embeddings.
    anchors
        Genes of the training rows.
    reaches
        Of each source.
    measured
        Genes that were perturbed alone, whose part in a combination is what was measured.
    """
    genes = sorted({gene for name in names for gene in name.genes})
    used = [s for s, share in enumerate(space.shares) if share > 0]
    found = space.found(genes)
    lacks = {gene: [space.sources[s].name for s in used if not found[s, j]] for j, gene in enumerate(genes)}
    far = _far(space, genes, anchors=anchors, reaches=reaches, used=used, found=found)
    status, detail = [], []
    for name in names:
        own = set() if name.is_single else {gene for gene in name.genes if gene in set(measured)}
        lost = [f"{gene} has no vector in {source}" for gene in name.genes for source in lacks[gene]]
        informed = any(len(lacks[gene]) < len(used) or gene in own for gene in name.genes)
        outside = [far[gene] for gene in name.genes if gene in far and gene not in own]
        kinds = (("no_embedding", lost and not informed), ("partial_embedding", lost), ("out_of_support", outside))
        status.append(next((kind for kind, holds in kinds if holds), "predicted"))
        detail.append("; ".join([*lost, *outside]))
    return tuple(status), tuple(detail)


def _far(
    space: GeneSpace,
    genes: Sequence[str],
    *,
    anchors: Sequence[str],
    reaches: Sequence[float],
    used: Sequence[int],
    found: NDArray[np.bool_],
) -> dict[str, str]:
    """Genes that lie beyond reach in every source that has a vector for them."""
    asked, known, there = space.directions(genes), space.directions(anchors), space.found(anchors)
    distance = [1.0 - (asked[s] @ known[s][there[s]].T).max(axis=1, initial=-np.inf) for s in range(len(space.sources))]
    out = {}
    for j, gene in enumerate(genes):
        mine = [s for s in used if found[s, j]]
        if mine and all(distance[s][j] > reaches[s] for s in mine):
            told = ", ".join(
                f"{space.sources[s].name} (cosine distance {distance[s][j]:.2f}, training genes within {reaches[s]:.2f})"
                for s in mine
            )
            out[gene] = f"{gene} is far from every training gene in {told}"
    return out
