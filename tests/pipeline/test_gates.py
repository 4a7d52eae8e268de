"""The gates of the profile path, in words a run prints."""

from __future__ import annotations

import numpy as np

import perturbridge as pb
from perturbridge.pipeline._gates import gate_findings, profile_gates, vectors_of
from perturbridge.values import EmbeddingCard, GeneEmbedding


def simulated(n=60):
    simulated = pb.simulate.screen(
        pb.open_embedding("go_words"), n_perturbations=n, n_genes=60, cells_per_perturbation=30, n_controls=200, seed=1
    )
    effects = pb.pseudobulk(simulated.screen)
    return effects, pb.make_split(effects, folds=3, seed=0)


def test_an_embedding_of_all_responses_is_told_and_a_shipped_one_is_not():
    effects, split = simulated()
    centred = effects.delta - effects.delta.mean(axis=0)
    left, strength, _ = np.linalg.svd(centred, full_matrices=False)
    genes = [name.genes[0] for name in effects.perturbations]
    leaky = GeneEmbedding(
        vectors=(left * strength)[:, :16], genes=genes, rows=np.arange(len(genes)), card=EmbeddingCard(name="pca")
    )
    checks = profile_gates(effects, [pb.open_embedding("go_words"), leaky], split=split)
    assert [check.name for check in checks][1:] == ["embedding go_words", "embedding pca"]
    assert checks[1].verdict != "fail"
    assert checks[2].verdict == "fail"
    told = [finding for finding in gate_findings(checks) if finding.example == "embedding pca"]
    assert told
    assert told[0].code == "gate_embedding"
    assert "fail" in told[0].message


def test_a_perturbation_without_a_vector_has_none():
    effects, _ = simulated(12)
    known = effects.perturbations[0].genes[0]
    one = GeneEmbedding(vectors=np.ones((1, 3)), genes=(known,), rows=np.zeros(1), card=EmbeddingCard(name="one"))
    vectors = vectors_of(one, effects)
    assert np.isfinite(vectors[0]).all()
    assert np.isnan(vectors[1:]).all()
