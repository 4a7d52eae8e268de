"""Which perturbations hang together because they target the same gene."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import PerturbationName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["gene_clusters"]


def gene_clusters(perturbations: Sequence[str]) -> NDArray[np.int64]:
    """Return the clusters of each perturbation `(n_perturbations, most)`, numbered from 0, filled up with -1.

    A gene that several perturbations target is a cluster of all of them; a perturbation that shares no gene is one of its own. Scores
    of `A`, `A+B` and `A+C` are no three independent facts about a model, so intervals and tests draw and flip clusters.
    """
    targets = [PerturbationName.parse(name).genes for name in perturbations]
    count = Counter(gene for genes in targets for gene in genes)
    shared = [[gene for gene in genes if count[gene] > 1] for genes in targets]
    number = {gene: i for i, gene in enumerate(dict.fromkeys(gene for genes in shared for gene in genes))}
    out = np.full((len(targets), max(map(len, shared), default=0) or 1), -1, dtype=np.int64)
    alone = len(number)
    for i, genes in enumerate(shared):
        if genes:
            out[i, : len(genes)] = [number[gene] for gene in genes]
        else:
            out[i, 0] = alone
            alone += 1
    return out
