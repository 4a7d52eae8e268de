"""Folds whose test perturbations are unlike their training perturbations, as an embedding sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError
from perturbridge.numerics import l2_normalize
from perturbridge.values import Fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import GeneEmbedding, PerturbationName, Split

__all__ = ["by_similarity", "nearest_training"]

STRATA = ("near", "middle", "far")
NO_VECTOR = "no vector"


def _directions(
    names: Sequence[PerturbationName], embedding: GeneEmbedding
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the unit vector of each perturbation, the sum of its genes' centered ones, and whether all its genes have one."""
    genes = sorted({gene for name in names for gene in name.genes})
    located = embedding.locate(genes)
    vectors = np.zeros((len(genes), embedding.n_dims))
    vectors[located.found] = embedding.vectors[located.rows[located.found]]
    if located.found.any():
        vectors[located.found] -= vectors[located.found].mean(axis=0)
    vectors = l2_normalize(vectors)
    position = {gene: i for i, gene in enumerate(genes)}
    known = np.array([all(located.found[position[gene]] for gene in name.genes) for name in names], dtype=bool)
    sums = np.array([vectors[[position[gene] for gene in name.genes]].sum(axis=0) for name in names])
    return l2_normalize(sums.reshape(len(names), embedding.n_dims)), known


def nearest_training(split: Split, embedding: GeneEmbedding) -> dict[str, dict[PerturbationName, float]]:
    """Distance of each test perturbation to the nearest training one: 1 − cosine of centered vectors, 0 alike to 2 opposite.

    Parameters
    ----------
    split
        Folds of perturbations.
    embedding
        Vectors of genes; those of a combination are added.

    Returns
    -------
    dict
        Fold ▸ test perturbation ▸ distance; perturbations without a vector are absent.
    """
    found = {}
    for fold in split.folds:
        names = (*fold.test, *fold.train)
        unit, known = _directions(names, embedding)
        n = len(fold.test)
        train = unit[n:][known[n:]]
        near = 1 - (unit[:n] @ train.T).max(axis=1) if len(train) else np.full(n, np.nan)
        found[fold.name] = {
            name: float(distance)
            for name, distance, is_known in zip(fold.test, near.tolist(), known[:n].tolist(), strict=True)
            if is_known and len(train)
        }
    return found


def by_similarity(
    names: list[PerturbationName], folds: int, /, *, embedding: GeneEmbedding | None, seed: int
) -> tuple[Fold, ...]:
    """Deal groups of alike perturbations, not single ones, to the folds; strata are the thirds of the distance to training.

    Raises
    ------
    DataError
        If there is no embedding, or fewer perturbations with a vector than folds.
    """
    if embedding is None:
        problem = "A split by similarity needs an embedding that says what is similar."
        raise DataError(problem, cure="Pass embedding=, for example open_embedding('go_words').")
    unit, known = _directions(names, embedding)
    seen = np.flatnonzero(known)
    if len(seen) < max(folds, 2):
        problem = f"{len(seen)} of {len(names)} perturbations have a vector in {embedding.name!r}, for {folds} folds."
        raise DataError(problem, cure="Use an embedding that knows the perturbed genes, or fewer folds.")
    rng = np.random.default_rng(seed)
    part = rng.permutation(len(names)) % folds
    part[seen] = _dealt_groups(_groups(unit[seen], most=max(len(seen) // (2 * folds), 1)), folds, rng=rng)
    bare = [
        Fold(
            name=f"fold{i}",
            train=tuple(name for name, p in zip(names, part.tolist(), strict=True) if p != i),
            test=tuple(name for name, p in zip(names, part.tolist(), strict=True) if p == i),
        )
        for i in range(folds)
    ]
    return _with_strata(bare, embedding)


def _groups(unit: NDArray[np.float64], *, most: int) -> NDArray[np.int64]:
    """Group rows by average linkage of 1 − cosine, cutting every branch with more than `most` rows in two."""
    from scipy.cluster.hierarchy import linkage, to_tree

    group = np.zeros(len(unit), dtype=np.int64)
    distance = np.clip(1 - unit @ unit.T, 0, None)
    upper = distance[np.triu_indices(len(unit), k=1)]
    # The last merge is the root; leaves keep their number.
    stack = [to_tree(linkage(upper, method="average"))]
    n_groups = 0
    while stack:
        node = stack.pop()
        left, right = node.get_left(), node.get_right()
        if node.get_count() > most and left is not None and right is not None:
            stack += [left, right]
            continue
        group[node.pre_order(lambda leaf: leaf.id)] = n_groups
        n_groups += 1
    return group


def _dealt_groups(group: NDArray[np.int64], folds: int, /, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Give the largest groups first, each to the fold that holds the fewest; ties are drawn."""
    sizes = np.bincount(group)
    order = np.lexsort((rng.random(len(sizes)), -sizes))
    held = np.zeros(folds)
    of_group = np.empty(len(sizes), dtype=np.int64)
    for g in order.tolist():
        of_group[g] = int(np.argmin(held))
        held[of_group[g]] += sizes[g]
    return of_group[group]


def _with_strata(folds: list[Fold], embedding: GeneEmbedding) -> tuple[Fold, ...]:
    from dataclasses import replace

    from perturbridge.values import Split

    distances = nearest_training(Split(kind="similarity", seed=0, folds=tuple(folds)), embedding)
    every = np.sort([d for of_fold in distances.values() for d in of_fold.values()])
    thirds = [every[len(every) // 3], every[2 * len(every) // 3]]
    return tuple(
        replace(
            fold,
            strata=tuple(
                STRATA[int(np.searchsorted(thirds, distances[fold.name][name], side="right"))]
                if name in distances[fold.name]
                else NO_VECTOR
                for name in fold.test
            ),
        )
        for fold in folds
    )
