"""Beyond the sizes where everything is exact: samples for the choice, spanning genes for the kernel."""

import numpy as np
import pytest

from perturbridge.effects import EffectModel, _fitting
from perturbridge.numerics import LooRidge
from perturbridge.values import Effects


@pytest.fixture
def train(plant):
    planted = plant(90, n_genes=40)
    return planted, planted.effects(planted.names[:70], noise=0.3)


def error(model, planted):
    truth = planted.effects(planted.names[70:]).delta
    return ((model.predict(planted.names[70:]).delta - truth) ** 2).mean()


def test_spanning_genes_that_span_everything_change_nothing(train, monkeypatch):
    """A linear kernel of 6 dimensions is spanned by 30 genes, so the sampled form is exact."""
    planted, effects = train
    settings = {"kernel": "linear", "alphas": [0.5]}
    exact = EffectModel(planted.source, **settings).fit(effects)
    monkeypatch.setattr(_fitting, "_MAX_ANCHORS", 30)
    monkeypatch.setattr("perturbridge.effects._source_kernel.GeneFeatures.of", _centred_like(planted, effects))
    sampled = EffectModel(planted.source, **settings).fit(effects)
    assert sampled.report_["n_anchors"] == 30
    # The unit of α and the centre in feature space differ by the sample; what they scale is the same fit.
    assert np.corrcoef(exact.predict(["P80"]).delta[0], sampled.predict(["P80"]).delta[0])[0, 1] > 0.999


def _centred_like(planted, effects):
    from perturbridge.effects._source_kernel import GeneFeatures

    center = GeneFeatures.of(planted.source, [str(p) for p in effects.perturbations], np.ones(70)).center

    def of(source, anchors, weights):
        return GeneFeatures(source=source, rows=source.locate(anchors).rows, center=center, weights=weights)

    return of


def test_sampled_kernel_predicts_nearly_as_well(train, monkeypatch):
    planted, effects = train
    exact = error(EffectModel(planted.source, kernel="rbf").fit(effects), planted)
    monkeypatch.setattr(_fitting, "_MAX_ANCHORS", 40)
    model = EffectModel(planted.source, kernel="rbf").fit(effects)
    assert error(model, planted) < 1.15 * exact
    pair = model.predict(["P0+P1"]).delta[0]
    assert np.allclose(pair, effects.delta[:2].sum(0))


def test_sampled_choice_is_the_same_for_the_same_seed_and_close_to_the_exact_one(train, monkeypatch):
    planted, effects = train
    exact = error(EffectModel(planted.source).fit(effects), planted)
    monkeypatch.setattr(_fitting, "_SEARCH_ROWS", 50)
    monkeypatch.setattr(_fitting, "_SEARCH_TARGETS", 16)
    first, second = (EffectModel(planted.source, seed=1).fit(effects) for _ in range(2))
    assert np.array_equal(first.predict(["P80"]).delta, second.predict(["P80"]).delta)
    assert error(first, planted) < 1.1 * exact


def test_a_sample_without_any_vector_of_a_source_is_survived(plant, monkeypatch):
    planted = plant(60)
    rare = plant(60, seed=1).source
    from dataclasses import replace

    rare = replace(rare, genes=rare.genes[:1], rows=np.arange(1))
    monkeypatch.setattr(_fitting, "_SEARCH_ROWS", 5)
    model = EffectModel([planted.source, rare]).fit(planted.effects(planted.names[:50]))
    assert np.isfinite(model.predict(["P55", "P0"]).delta).all()


def test_search_projection_keeps_the_left_out_error():
    """The Gaussian projection of 4,000 targets to 256 moves the error by little and picks the same penalty."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 10))
    targets = features @ rng.normal(size=(10, 4000)) + 3 * rng.normal(size=(80, 4000))
    small = targets @ rng.standard_normal((4000, 256)) / 16
    grid = np.logspace(-1, 3, 9)
    full, projected = ([LooRidge.from_features(features, y).loo_error(a) for a in grid] for y in (targets, small))
    assert np.argmin(full) == np.argmin(projected)
    assert np.allclose(projected, full, rtol=0.1)


def test_more_measured_genes_than_the_projection_keeps(plant):
    planted = plant(40, n_genes=700)
    train = planted.effects(planted.names[:30], noise=0.3)
    truth = planted.effects(planted.names[30:]).delta
    model = EffectModel(planted.source).fit(train)
    error = ((model.predict(planted.names[30:]).delta - truth) ** 2).sum()
    assert error < 0.4 * ((train.delta.mean(0) - truth) ** 2).sum()


def test_left_out_r2_in_blocks_equals_the_whole(plant, monkeypatch):
    from perturbridge.effects import _shrinkage

    planted = plant(40, n_genes=30)
    train = planted.effects(planted.names[:30], noise=0.3)
    whole = EffectModel(planted.source).fit(train).report_
    monkeypatch.setattr(_shrinkage, "_BLOCK", 7)
    blocks = EffectModel(planted.source).fit(train).report_
    assert blocks["loo_r2"] == pytest.approx(whole["loo_r2"], rel=1e-12)
    assert blocks["shrink"] == pytest.approx(whole["shrink"], rel=1e-12)


def test_effects_of_one_gene_are_enough(plant):
    planted = plant(20)
    one = Effects.from_delta(planted.effects().delta[:, :1], perturbations=planted.names)
    assert EffectModel(planted.source).fit(one).predict(["P3"]).delta.shape == (1, 1)
