"""Folds of alike perturbations."""

from __future__ import annotations

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.screens import make_split, nearest_training
from perturbridge.values import EmbeddingCard, GeneEmbedding


def families(n_families=20, *, each=5, spread=0.3, seed=0):
    """Return genes in families of alike vectors, and their names."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((n_families, 16))
    vectors = np.repeat(centers, each, axis=0) + spread * rng.standard_normal((n_families * each, 16))
    names = tuple(f"F{i // each:02d}M{i % each}" for i in range(len(vectors)))
    card = EmbeddingCard(name="families")
    return GeneEmbedding(vectors=vectors.astype(np.float32), genes=names, rows=np.arange(len(names)), card=card)


def mean_distance(split, embedding):
    return np.mean([d for fold in nearest_training(split, embedding).values() for d in fold.values()])


def test_families_stay_together_and_test_is_far_from_training():
    embedding = families()
    split = make_split(embedding.genes, kind="similarity", folds=4, embedding=embedding, seed=2)
    fold_of = {str(name): fold.name for fold in split.folds for name in fold.test}
    assert sorted(fold_of) == sorted(embedding.genes)
    together = [len({fold_of[f"F{i:02d}M{j}"] for j in range(5)}) == 1 for i in range(20)]
    assert np.mean(together) == 1.0
    at_random = make_split(embedding.genes, folds=4, seed=2)
    assert mean_distance(split, embedding) > 3 * mean_distance(at_random, embedding)
    sizes = [len(fold.test) for fold in split.folds]
    assert max(sizes) - min(sizes) <= 5
    strata = [s for fold in split.folds for s in fold.strata]
    assert {s: strata.count(s) for s in ("near", "middle", "far")} == pytest.approx(
        {"near": 33, "middle": 33, "far": 34}, abs=1
    )


def test_the_order_of_names_does_not_matter_and_the_seed_does():
    embedding = families()
    one = make_split(embedding.genes, kind="similarity", embedding=embedding, seed=1)
    assert one.hash == make_split(embedding.genes[::-1], kind="similarity", embedding=embedding, seed=1).hash
    assert one.hash != make_split(embedding.genes, kind="similarity", embedding=embedding, seed=3).hash


def test_distances_are_those_of_brute_force():
    embedding = families(6)
    names = [*embedding.genes[:20], "F00M0+F03M1", "F05M0+F04M2", "UNKNOWN"]
    split = make_split(names, kind="similarity", folds=3, embedding=embedding)
    position = {gene: i for i, gene in enumerate(embedding.genes)}
    for fold in split.folds:
        used = sorted({g for n in (*fold.train, *fold.test) for g in n.genes if g in position})
        mean = embedding.vectors[[position[g] for g in used]].astype(float).mean(axis=0)

        def unit(name, mean=mean):
            parts = [embedding.vectors[position[g]].astype(float) - mean for g in name.genes]
            total = sum(p / np.linalg.norm(p) for p in parts)
            return total / np.linalg.norm(total)

        known = [n for n in fold.train if all(g in position for g in n.genes)]
        got = nearest_training(split, embedding)[fold.name]
        for name in fold.test:
            if str(name) == "UNKNOWN":
                assert name not in got
                assert fold.strata[fold.test.index(name)] == "no vector"
                continue
            wanted = min(1 - unit(name) @ unit(other) for other in known)
            assert got[name] == pytest.approx(wanted, abs=1e-6)


def test_what_is_missing_is_said():
    embedding = families(2)
    with pytest.raises(DataError, match="needs an embedding"):
        make_split(embedding.genes, kind="similarity")
    with pytest.raises(DataError, match="0 of 2 perturbations have a vector"):
        make_split(["X", "Y"], kind="similarity", folds=2, embedding=embedding)
