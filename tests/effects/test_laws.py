"""What holds for every estimator; a new one joins by being listed."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from perturbridge.effects import (
    Additive,
    EffectModel,
    GenePert,
    LinearFactors,
    MeanEffect,
    NearestNeighbors,
    NoChange,
    RegressorModel,
    ShuffledEmbedding,
    WeightedMeanEffect,
    default_baselines,
)
from perturbridge.errors import FitError
from perturbridge.values import Effects

MAKERS = {
    "perturbridge": EffectModel,
    "linear": lambda s: EffectModel(s, kernel="linear"),
    "rbf": lambda s: EffectModel(s, kernel="rbf", bandwidths=(1.0,)),
    "two_sources": lambda s: EffectModel([s, _renamed(s)]),
    "genepert": GenePert,
    "no_change": lambda s: NoChange(),
    "mean": lambda s: MeanEffect(),
    "weighted_mean": lambda s: WeightedMeanEffect(),
    "additive": lambda s: Additive(),
    "nearest_neighbors": lambda s: NearestNeighbors(s, k=3),
    "linear_factors": lambda s: LinearFactors(n_factors=3),
    "shuffled_embedding": ShuffledEmbedding,
    "regressor": lambda s: RegressorModel(s, regressor=Ridge(alpha=0.1)),
}
NEW = ["P30", "P31+P32", "P33", "P2+P35", "P0+P1", "P3"]


def _renamed(source):
    from dataclasses import replace

    return replace(source, vectors=source.vectors[:, ::-1] ** 3, card=replace(source.card, name="other"))


@pytest.fixture(params=sorted(MAKERS))
def estimator(request, plant):
    return MAKERS[request.param](plant().source)


@pytest.fixture(params=["singles", "with_pairs"])
def train(request, plant):
    planted = plant()
    pairs = ["P0+P5", "P1+P6", "P2+P7", "P3+P8"] if request.param == "with_pairs" else []
    return planted.effects([*planted.names[:25], *pairs], noise=0.2)


def test_shape_names_and_status(estimator, train):
    prediction = estimator.fit(train, split_hash="abc").predict(NEW)
    assert [str(p) for p in prediction.perturbations] == NEW
    assert prediction.genes == train.genes
    assert prediction.delta.shape == (len(NEW), 9)
    assert np.isfinite(prediction.delta).all()
    assert prediction.model == estimator.name
    assert prediction.split_hash == "abc"


def test_fit_returns_the_model_itself(estimator, train):
    assert estimator.fit(train) is estimator


def test_refit_gives_the_same_and_forgets(estimator, train, plant):
    first = estimator.fit(train).predict(NEW).delta
    estimator.fit(plant(seed=3).effects(plant().names[:20]))
    again = estimator.fit(train).predict(NEW).delta
    assert np.array_equal(first, again)


def test_clone_has_the_settings_and_nothing_learnt(estimator, train):
    fitted = estimator.fit(train).predict(NEW).delta
    copy = estimator.clone()
    assert copy.name == estimator.name
    with pytest.raises(FitError, match="before it has learnt"):
        copy.predict(NEW)
    assert np.array_equal(copy.fit(train).predict(NEW).delta, fitted)
    copy.fit(train.take(train.perturbations[:10]))
    assert np.array_equal(estimator.predict(NEW).delta, fitted)


def test_order_of_rows_does_not_matter(estimator, train):
    forth = estimator.clone().fit(train).predict(NEW).delta
    back = estimator.clone().fit(train.take(train.perturbations[::-1])).predict(NEW[::-1]).delta
    assert np.allclose(back[::-1], forth, atol=1e-9)


def test_order_of_genes_does_not_matter(estimator, train):
    order = np.random.default_rng(0).permutation(9)
    other = Effects(
        perturbations=train.perturbations,
        genes=tuple(train.genes[i] for i in order),
        delta=train.delta[:, order],
        n_cells=train.n_cells,
        control_mean=train.control_mean[order],
    )
    forth = estimator.clone().fit(train).predict(NEW).delta
    back = estimator.clone().fit(other).predict(NEW).delta
    assert np.allclose(back, forth[:, order], atol=1e-9)


def test_predictions_do_not_depend_on_company(estimator, train):
    together = estimator.fit(train).predict(NEW).delta
    for name, row in zip(NEW, together, strict=True):
        assert np.allclose(estimator.predict([name]).delta[0], row, atol=1e-12)


def test_constant_effect_is_reproduced(estimator, plant):
    names = plant().names[:20]
    effect = np.arange(9.0) - 3
    same = Effects.from_delta(np.tile(effect, (20, 1)), perturbations=names)
    prediction = estimator.fit(same).predict(["P30", "unheard of"])
    wanted = 0 * effect if estimator.name == "no_change" else effect
    assert np.allclose(prediction.delta, wanted, atol=1e-9)


def test_no_information_is_the_training_mean(estimator, train):
    singles = train.take([p for p in train.perturbations if p.is_single])
    prediction = estimator.fit(singles).predict(["unheard of"])
    wanted = np.zeros(9) if estimator.name == "no_change" else singles.delta.mean(axis=0)
    assert np.allclose(prediction.delta[0], wanted)
    if estimator.name not in ("no_change", "mean", "weighted_mean", "additive"):
        assert prediction.status == ("no_embedding",)
        assert "unheard of" in prediction.detail[0]


def test_scale_of_effects_carries_through(estimator, train):
    scaled = Effects.from_delta(1000 * train.delta, perturbations=train.perturbations)
    large = estimator.clone()
    if estimator.name == "linear_factors":
        # Its penalty is fixed in the unit of squared loadings.
        large = LinearFactors(n_factors=3, ridge=0.1 * 1000**2)
    wanted = 1000 * estimator.fit(train).predict(NEW).delta
    assert np.allclose(large.fit(scaled).predict(NEW).delta, wanted, rtol=1e-7, atol=1e-7)


def test_nothing_asked_is_nothing_predicted(estimator, train):
    assert estimator.fit(train).predict([]).delta.shape == (0, 9)


def test_default_baselines_are_fresh_and_named(plant):
    one, two = plant(seed=0).source, plant(seed=1).source
    assert sorted(default_baselines()) == ["additive", "linear_factors", "mean", "no_change", "weighted_mean"]
    assert set(default_baselines(one)) == {*default_baselines(), "genepert", "nearest_neighbors", "shuffled_embedding"}
    assert {"genepert:planted0", "genepert:planted1", "nearest_neighbors:planted1"} <= set(
        default_baselines([one, two])
    )
    assert all(name.split(":")[0] == e.name for name, e in default_baselines([one, two]).items())
    assert default_baselines(one)["mean"] is not default_baselines(one)["mean"]


def test_every_default_baseline_is_under_the_laws(plant):
    assert {e.name for e in default_baselines(plant().source).values()} < set(MAKERS)
