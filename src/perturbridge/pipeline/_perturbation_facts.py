"""What is known about each perturbation besides its scores: strength, cells, expression of its target, distance to training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.numerics import l2_normalize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Effects, GeneEmbedding, PerturbationName, Split

__all__ = ["measured_facts", "perturbation_facts"]


def perturbation_facts(effects: Effects, split: Split, embeddings: Sequence[GeneEmbedding]) -> list[dict[str, Any]]:
    """Return one record for each held-out perturbation.

    `effect_size`: RMS over genes of the measured Δ, log1p-CP10k. `n_cells`. `expression`: mean of its target genes in controls, None
    where none is measured. `distance`: 1 − the largest cosine between its vector and those of the training perturbations of its fold,
    averaged over the sources that have a vector for it, None where none has; vectors of several genes are added up.

    Parameters
    ----------
    effects
        All measured perturbations.
    split
        The folds; a perturbation that several folds test has the distance of the first.
    embeddings
        Sources of the model.
    """
    place = {gene: i for i, gene in enumerate(effects.genes)}
    row_of = {name: i for i, name in enumerate(effects.perturbations)}
    vectors = [_vectors(effects.perturbations, source) for source in embeddings]
    out: dict[PerturbationName, dict[str, Any]] = {}
    for fold in split.folds:
        train = np.array([row_of[name] for name in fold.train], dtype=np.int64)
        for name in fold.test:
            if name in out:
                continue
            row = row_of[name]
            out[name] = {
                **_measured(effects, row, place),
                "fold": fold.name,
                "distance": _distance(vectors, row, train),
            }
    return list(out.values())


def measured_facts(effects: Effects, names: Sequence[PerturbationName]) -> list[dict[str, Any]]:
    """Return the same of these perturbations without folds and embeddings: the distance is None."""
    place = {gene: i for i, gene in enumerate(effects.genes)}
    rows = effects.rows(names).tolist()
    return [{**_measured(effects, row, place), "fold": "", "distance": None} for row in rows]


def _measured(effects: Effects, row: int, place: Mapping[str, int]) -> dict[str, Any]:
    name = effects.perturbations[row]
    measured = [place[gene] for gene in name.genes if gene in place]
    return {
        "perturbation": str(name),
        "effect_size": float(np.sqrt((effects.delta[row] ** 2).mean())),
        "n_cells": int(effects.n_cells[row]),
        "expression": float(effects.control_mean[measured].mean()) if measured else None,
    }


def _vectors(perturbations: Sequence[PerturbationName], source: GeneEmbedding) -> NDArray[np.float64]:
    """Unit vectors `(n_perturbations, n_dims)`, zeros where a gene has none."""
    genes = sorted({gene for name in perturbations for gene in name.genes})
    found = source.locate(genes)
    row = dict(zip(genes, found.rows.tolist(), strict=True))
    unit = l2_normalize(source.vectors.astype(np.float64) - source.vectors.mean(axis=0, dtype=np.float64))
    out = np.zeros((len(perturbations), source.n_dims))
    for i, name in enumerate(perturbations):
        rows = [row[gene] for gene in name.genes]
        if min(rows) >= 0:
            out[i] = unit[rows].sum(axis=0)
    return np.asarray(l2_normalize(out), dtype=np.float64)


def _distance(vectors: Sequence[NDArray[np.float64]], row: int, train: NDArray[np.int64]) -> float | None:
    found = [1.0 - float((table[train] @ table[row]).max()) for table in vectors if table[row].any()]
    return float(np.mean(found)) if found else None
