"""Small embeddings and effects with a planted map between them."""

from dataclasses import dataclass

import numpy as np
import pytest

from perturbridge.values import ContextTable, Effects, EmbeddingCard, GeneEmbedding, PerturbationName


def make_source(names, vectors, *, name="planted"):
    return GeneEmbedding(vectors=vectors, genes=tuple(names), rows=np.arange(len(names)), card=EmbeddingCard(name=name))


@dataclass(frozen=True)
class Planted:
    """Genes with vectors, and a linear map from them to Δ."""

    source: GeneEmbedding
    names: tuple[str, ...]
    delta: np.ndarray

    def effects(self, perturbations=None, *, noise=0.0, seed=5):
        """Δ of single perturbations, and sums of it for combinations, with noise."""
        rows = dict(zip(self.names, self.delta, strict=True))
        given = [PerturbationName.parse(p) for p in (perturbations or self.names)]
        delta = np.array([np.sum([rows[g] for g in p.genes], axis=0) for p in given])
        delta += noise * np.random.default_rng(seed).normal(size=delta.shape)
        return Effects.from_delta(delta, perturbations=given)


@pytest.fixture(scope="session")
def plant():
    def build(n=40, n_dims=6, n_genes=9, *, seed=0, prefix="P"):
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(n, n_dims)).astype(np.float32) + 1.0
        names = tuple(f"{prefix}{i}" for i in range(n))
        centered = vectors - vectors.mean(axis=0)
        unit = centered / np.linalg.norm(centered, axis=1, keepdims=True)
        delta = unit @ rng.normal(size=(n_dims, n_genes)) + rng.normal(size=n_genes)
        return Planted(make_source(names, vectors, name=f"planted{seed}"), names, delta)

    return build


@pytest.fixture(scope="session")
def with_variance():
    """Give effects cell numbers and variances, so that their sampling variance is known."""

    def build(effects, n_cells, *, variance=1.0):
        n, g = effects.delta.shape
        table = ContextTable(
            names=("one",),
            n_perturbed=np.asarray(n_cells)[:, None],
            n_control=np.array([10_000]),
            control_mean=np.zeros((1, g)),
            control_variance=np.full((1, g), variance),
        )
        return Effects(
            perturbations=effects.perturbations,
            genes=effects.genes,
            delta=effects.delta,
            n_cells=np.asarray(n_cells),
            control_mean=np.zeros(g),
            variance=np.full((n, g), variance),
            contexts=table,
        )

    return build
