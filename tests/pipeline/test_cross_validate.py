"""Cross-validation: nothing of a test row reaches a fit, every model meets the same rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perturbridge.effects import EffectModel, MeanEffect, default_baselines
from perturbridge.errors import DataError, FitError
from perturbridge.pipeline import cross_validate
from perturbridge.screens import make_split
from perturbridge.values import Effects, EmbeddingCard, GeneEmbedding


@pytest.fixture
def embedding():
    rng = np.random.default_rng(0)
    genes = tuple(f"G{i}" for i in range(40))
    return GeneEmbedding(
        vectors=rng.normal(size=(40, 6)), genes=genes, rows=np.arange(40), card=EmbeddingCard(name="planted")
    )


@pytest.fixture
def effects(embedding):
    rng = np.random.default_rng(1)
    unit = embedding.vectors / np.linalg.norm(embedding.vectors, axis=1, keepdims=True)
    delta = unit @ rng.normal(size=(6, 25)) + 0.2 * rng.normal(size=(40, 25))
    return Effects.from_delta(delta, perturbations=embedding.genes)


def test_a_test_row_changes_no_prediction_of_its_fold(effects, embedding):
    """Every test row of one fold is replaced by nonsense: what the models say of these rows must stay the same."""
    split = make_split(effects, folds=4, seed=0)
    fold = split.folds[0]
    delta = effects.delta.copy()
    delta[effects.rows(fold.test)] = 1e3
    spoiled = replace(effects, delta=delta)
    before, after = (
        cross_validate(EffectModel([embedding]), e, split=split).predictions[fold.name].delta
        for e in (effects, spoiled)
    )
    np.testing.assert_array_equal(before, after)


def test_every_perturbation_is_tested_once_by_every_model(effects, embedding):
    validation = cross_validate(EffectModel([embedding]), effects, folds=4, seed=2)
    scores = validation.scores
    models = {"perturbridge", *default_baselines([embedding])}
    assert set(scores.model.tolist()) == models
    for model in models:
        rows = (scores.model == model) & (scores.metric == "rmse")
        assert sorted(scores.perturbation[rows].tolist()) == sorted(embedding.genes)
    assert scores.split_hash == validation.split.hash
    joined = validation.held_out
    assert sorted(map(str, joined.perturbations)) == sorted(embedding.genes)
    assert joined.split_hash == validation.split.hash


def test_the_planted_map_is_found_and_beats_the_mean(effects, embedding):
    validation = cross_validate(EffectModel([embedding]), effects, folds=5, baselines={"mean": MeanEffect()})
    comparison = validation.comparison().set_index("metric")
    assert comparison.loc["rmse", "difference"] > 0
    assert comparison.loc["pds_cosine", "p_holm"] < 0.05


def test_the_model_given_learns_nothing(effects, embedding):
    model = EffectModel([embedding])
    cross_validate(model, effects, folds=2, baselines={"mean": MeanEffect()})
    with pytest.raises(FitError, match="asked before it has learnt anything"):
        model.predict(["G0"])


def test_progress_ends_at_the_number_of_fits(effects, embedding):
    seen = []
    cross_validate(
        EffectModel([embedding]),
        effects,
        folds=3,
        baselines={"mean": MeanEffect()},
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (6, 6)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_headline_has_skill_against_the_best_baseline(effects, embedding):
    headline = cross_validate(EffectModel([embedding]), effects, folds=3).headline().set_index(["model", "metric"])
    best = headline.loc["perturbridge", "pds_cosine"]["best_baseline"]
    assert best in default_baselines([embedding])


def test_faults_are_named(effects, embedding):
    with pytest.raises(DataError, match=r"split is 'cells'"):
        cross_validate(EffectModel([embedding]), effects, split="cells")
    with pytest.raises(DataError, match="bears the name of the model"):
        cross_validate(EffectModel([embedding], name="mean"), effects)
    other = make_split(Effects.from_delta(np.eye(4), perturbations=["X1", "X2", "X3", "X4"]), folds=2)
    with pytest.raises(DataError, match=r"are not among the 40 measured"):
        cross_validate(EffectModel([embedding]), effects, split=other)


def test_the_shuffled_embedding_is_a_control_and_no_competitor(effects, embedding):
    validation = cross_validate(EffectModel([embedding]), effects, folds=3)
    assert set(validation.baselines) == set(default_baselines([embedding])) - {"shuffled_embedding"}
    assert "shuffled_embedding" not in set(validation.comparison()["best_baseline"])
    knowledge = validation.knowledge().set_index("metric")
    assert set(knowledge["best_baseline"]) - {""} == {"shuffled_embedding"}
    assert knowledge.loc["rmse", "difference"] > 0
    alone = cross_validate(EffectModel([embedding]), effects, folds=3, baselines={"mean": MeanEffect()})
    assert alone.knowledge() is None
