"""Baselines, each against a direct statement of what it is."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor

from perturbridge.effects import (
    Additive,
    EffectModel,
    LinearFactors,
    MeanEffect,
    NearestNeighbors,
    NoChange,
    ShuffledEmbedding,
    WeightedMeanEffect,
)
from perturbridge.errors import FitError
from perturbridge.values import Effects


def test_means(plant):
    train = replace(plant(10).effects(), n_cells=np.arange(1, 11))
    assert np.array_equal(NoChange().fit(train).predict(["x"]).delta, np.zeros((1, 9)))
    assert np.allclose(MeanEffect().fit(train).predict(["x"]).delta, train.delta.mean(0))
    assert np.allclose(
        WeightedMeanEffect().fit(train).predict(["x"]).delta, np.average(train.delta, axis=0, weights=train.n_cells)
    )


def test_additive(plant):
    planted = plant(10)
    train = planted.effects(["P0", "P1", "P2", "P0+P1"])
    delta = Additive().fit(train).predict(["P0+P2", "P0+P9", "P8+P9", "P9", "P0"]).delta
    singles = train.delta[:3].mean(0)
    assert np.allclose(delta[0], train.delta[0] + train.delta[2])
    assert np.allclose(delta[1], train.delta[0] + singles)
    assert np.allclose(delta[2], 2 * singles)
    assert np.allclose(delta[3:], train.delta.mean(0))


def test_additive_without_singles_is_the_mean(plant):
    train = plant(10).effects(["P0+P1", "P2+P3"])
    assert np.allclose(Additive().fit(train).predict(["P0+P4", "P7"]).delta, train.delta.mean(0))


def test_neighbours_are_those_of_sklearn(plant):
    planted = plant(40)
    train = planted.effects(planted.names[:30], noise=0.2)
    unit = planted.source.vectors / np.linalg.norm(planted.source.vectors, axis=1, keepdims=True)
    wanted = KNeighborsRegressor(5, metric="cosine").fit(unit[:30], train.delta).predict(unit[30:])
    assert np.allclose(NearestNeighbors(planted.source, k=5).fit(train).predict(planted.names[30:]).delta, wanted)


def test_more_neighbours_than_rows_is_the_mean(plant):
    train = plant(10).effects()
    assert np.allclose(NearestNeighbors(plant(10).source, k=99).fit(train).predict(["P1"]).delta, train.delta.mean(0))
    with pytest.raises(FitError, match="k is 0"):
        NearestNeighbors(plant(10).source, k=0)


def published_linear(delta, control, genes, perturbed, new, *, k, ridge):
    """Transcribed from the formula with the axes of the paper: genes by perturbations."""
    expression = (delta + control).T
    centered = expression - expression.mean(axis=0)
    values, vectors = np.linalg.eigh(centered @ centered.T)
    scores = vectors[:, ::-1][:, :k] * np.sqrt(values[::-1][:k])
    row = {gene: scores[i] for i, gene in enumerate(genes)}
    b = delta.T.mean(axis=1, keepdims=True)
    p = np.array([row[g] for g in perturbed])
    inner = scores.T @ (delta.T - b) @ p
    w = np.linalg.inv(scores.T @ scores + ridge * np.eye(k)) @ inner @ np.linalg.inv(p.T @ p + ridge * np.eye(k))
    return np.array([scores @ w @ row[g] for g in new]) + b[:, 0]


def test_linear_factors_follow_the_formula():
    rng = np.random.default_rng(0)
    genes = tuple(f"G{i}" for i in range(30))
    control = rng.normal(size=30) + 2
    delta = rng.normal(size=(12, 30))
    train = replace(Effects.from_delta(delta, perturbations=genes[:12], genes=genes), control_mean=control)
    wanted = published_linear(delta, control, genes, genes[:12], genes[12:], k=4, ridge=0.1)
    assert np.allclose(LinearFactors(n_factors=4).fit(train).predict(genes[12:]).delta, wanted)


def test_linear_factors_leave_out_what_was_not_measured():
    rng = np.random.default_rng(0)
    genes = tuple(f"G{i}" for i in range(30))
    delta = rng.normal(size=(12, 30))
    both = Effects.from_delta(delta, perturbations=[*genes[:10], "other", "G3+other"], genes=genes)
    prediction = LinearFactors(n_factors=4).fit(both).predict(["G20", "other", "G2+other", "G1+G2"])
    assert prediction.status == ("predicted", "no_embedding", "partial_embedding", "predicted")
    assert prediction.detail[1] == "other: not among the measured genes, predicted as the training mean"
    assert np.allclose(prediction.delta[1:3], delta.mean(0))
    parts = LinearFactors(n_factors=4).fit(both).predict(["G1", "G2"]).delta
    assert np.allclose(prediction.delta[3] - delta.mean(0), (parts - delta.mean(0)).sum(0))


@pytest.mark.parametrize("settings", [{"n_factors": 0}, {"ridge": 0.0}])
def test_linear_factors_refuse(settings):
    with pytest.raises(FitError, match="n_factors is"):
        LinearFactors(**settings)


def test_shuffled_embedding_is_the_model_on_permuted_names(plant):
    planted = plant(30)
    train = planted.effects(planted.names[:20])
    shuffled = ShuffledEmbedding(planted.source, seed=3)
    dealt = shuffled._model.sources[0]
    assert sorted(dealt.rows.tolist()) == list(range(30))
    assert dealt.rows.tolist() != list(range(30))
    assert np.array_equal(
        shuffled.fit(train).predict(["P25"]).delta, EffectModel(dealt, seed=3).fit(train).predict(["P25"]).delta
    )
    assert ShuffledEmbedding(planted.source, seed=4)._model.sources[0].rows.tolist() != dealt.rows.tolist()
