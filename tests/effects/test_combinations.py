"""Combinations: additive in genes, never shrunk towards a single."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from perturbridge.effects import Additive, EffectModel, GenePert
from perturbridge.effects._design import Design
from perturbridge.values import PerturbationName


def test_singles_in_training_are_summed_as_measured(plant):
    planted = plant(30)
    train = planted.effects(planted.names[:20], noise=1.0)
    prediction = EffectModel(planted.source).fit(train).predict(["P0+P1", "P2+P3+P4"])
    assert np.allclose(prediction.delta[0], train.delta[:2].sum(0))
    assert np.allclose(prediction.delta[1], train.delta[2:5].sum(0))
    assert prediction.status == ("predicted", "predicted")


def test_a_single_that_was_measured_is_predicted_not_looked_up(plant):
    planted = plant(30)
    train = planted.effects(planted.names[:20], noise=1.0)
    model = EffectModel(planted.source).fit(train)
    single = model.predict(["P0"]).delta[0]
    assert np.abs(single - train.delta[0]).max() > 0.1
    assert np.linalg.norm(single - planted.delta[0]) < np.linalg.norm(train.delta[0] - planted.delta[0])


def test_unseen_genes_are_predicted_then_summed(plant):
    planted = plant(30)
    train = planted.effects(planted.names[:20], noise=0.5)
    model = EffectModel(planted.source).fit(train)
    prediction = model.predict(["P0+P25", "P25+P26", "P25", "P26", "P0+nowhere", "nowhere+elsewhere", "nowhere"])
    delta = prediction.delta
    assert np.allclose(delta[0], train.delta[0] + delta[2])
    assert np.allclose(delta[1], delta[2] + delta[3])
    assert np.allclose(delta[4], train.delta[0] + delta[6])
    assert np.allclose(delta[5], 2 * train.delta.mean(0))
    assert prediction.status[4:] == ("partial_embedding", "no_embedding", "no_embedding")


def test_a_pair_of_equal_genes_has_twice_the_effect(plant):
    """The published recipe gives such a pair the effect of one of them."""
    planted = plant(40)
    twins = replace(planted.source, genes=(*planted.names, "twin"), rows=np.append(np.arange(40), 35))
    train = planted.effects(planted.names[:30])
    ours = EffectModel(twins).fit(train).predict(["P35", "P35+twin"]).delta
    published = GenePert(twins).fit(train).predict(["P35", "P35+twin"]).delta
    assert np.allclose(ours[1], 2 * ours[0])
    assert np.allclose(published[1], published[0])


def test_pairs_in_training_teach_genes_seen_in_pairs_only(plant):
    """P20..P24 occur in pairs alone and have effects that no embedding knows; their singles are recovered."""
    planted = plant(30)
    rng = np.random.default_rng(0)
    own = replace(planted, delta=rng.normal(size=planted.delta.shape))
    pairs = [f"{a}+{b}" for a, b in combinations(planted.names[:25], 2)][::2]
    train = own.effects([*planted.names[:20], *pairs], noise=0.05)
    model = EffectModel(planted.source).fit(train)
    predicted = model.predict(["P20", "P21", "P22", "P23", "P24"]).delta
    assert ((predicted - own.delta[20:25]) ** 2).sum() < 0.02 * (own.delta[20:25] ** 2).sum()
    assert model.report_["own_effect_share"] > 0.5
    assert model.report_["n_combinations"] == len(pairs)


def test_pairs_with_noise_beat_the_plain_sum(plant):
    planted = plant(25)
    own = replace(planted, delta=np.random.default_rng(1).normal(size=planted.delta.shape))
    pairs = [f"{a}+{b}" for a, b in combinations(planted.names[:15], 2)]
    train, test = [*planted.names[:15], *pairs[::2]], pairs[1::2]
    effects, truth = own.effects(train, noise=0.7), own.effects(test).delta
    ours, sums = (
        ((m.fit(effects).predict(test).delta - truth) ** 2).sum() for m in (EffectModel(planted.source), Additive())
    )
    assert ours < 0.6 * sums


def test_design_lifts_kernels_and_rows_like_dense_matrices():
    names = [PerturbationName.parse(text) for text in ("B", "A+C", "A", "A+B+C")]
    design = Design.of(names)
    counts = np.array([[0, 1, 0], [1, 0, 1], [1, 0, 0], [1, 1, 1]], dtype=float)
    kernel = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, 0.2], [0.1, 0.2, 3.0]])
    assert design.genes == ("A", "B", "C")
    assert np.allclose(design.between(kernel), counts @ kernel @ counts.T)
    assert np.allclose(design.rows_of(kernel), counts @ kernel)
    assert np.allclose(design.to_genes(np.eye(4)), counts.T)
    singles = Design.of([names[2], names[0]])
    assert np.allclose(singles.between(kernel[:2, :2][::-1, ::-1]), kernel[:2, :2][::-1, ::-1])
    assert np.allclose(Design.of(names[::2]).between(kernel[:2, :2]), kernel[:2, :2][::-1, ::-1])


@pytest.mark.parametrize("name", ["A+B", "B+A"])
def test_order_of_genes_in_a_name_does_not_matter(plant, name):
    planted = plant(20, prefix="")
    model = EffectModel(planted.source).fit(planted.effects(planted.names[:10], noise=0.2))
    first = model.predict(["3+15"]).delta
    assert np.array_equal(model.predict(["15+3"]).delta, first)
