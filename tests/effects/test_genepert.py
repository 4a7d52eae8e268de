"""The published recipe, against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from perturbridge.effects import EffectModel, GenePert
from perturbridge.errors import EmbeddingError, FitError
from perturbridge.values import Effects


def recipe(source, names, delta, new, *, alpha):
    """Sum of raw vectors, unit length, Ridge with its default intercept."""
    row = dict(zip(source.genes, source.vectors[source.rows].astype(float), strict=True))

    def features(texts):
        sums = np.array([np.sum([row[g] for g in text.split("+")], axis=0) for text in texts])
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)

    return Ridge(alpha=alpha).fit(features(names), delta).predict(features(new))


@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("n_dims", [6, 60])
def test_agrees_with_sklearn(plant, alpha, n_dims):
    planted = plant(40, n_dims=n_dims)
    names = [*planted.names[:30], "P0+P5", "P3+P31"]
    train = planted.effects(names, noise=0.3)
    new = ["P35", "P36+P37", "P0+P1", "P3"]
    wanted = recipe(planted.source, names, train.delta, new, alpha=alpha)
    got = GenePert(planted.source, alpha=alpha).fit(train).predict(new).delta
    assert np.abs(got - wanted).max() < 1e-10
    assert (
        np.abs(EffectModel.genepert(planted.source, alpha=alpha).fit(train).predict(new).delta - wanted).max() < 1e-10
    )


def test_fitting_absolute_expression_gives_the_same_change(plant):
    planted = plant(30)
    train = planted.effects(planted.names[:20], noise=0.3)
    control = np.linspace(0, 5, 9)
    shifted = Effects.from_delta(train.delta + control, perturbations=train.perturbations)
    change, absolute = (GenePert(planted.source).fit(e).predict(["P25"]).delta for e in (train, shifted))
    assert np.allclose(absolute - control, change, atol=1e-12)


def test_rows_without_a_vector_are_left_out_and_predicted_as_the_mean(plant):
    planted = plant(30)
    train = planted.effects(planted.names[:20], noise=0.3)
    extra = np.full((2, 9), 7.0)
    more = Effects.from_delta(
        np.vstack([train.delta, extra]), perturbations=[*train.perturbations, "nowhere", "P0+nowhere"]
    )
    model = GenePert(planted.source).fit(more)
    prediction = model.predict(["P25", "elsewhere", "P1+elsewhere"])
    assert np.allclose(prediction.delta[0], GenePert(planted.source).fit(train).predict(["P25"]).delta[0])
    assert np.allclose(prediction.delta[1:], more.delta.mean(0))
    assert prediction.status == ("predicted", "no_embedding", "partial_embedding")
    assert prediction.detail[2] == "elsewhere: no vector in planted0, predicted as the training mean"


def test_errors(plant):
    planted = plant(10)
    with pytest.raises(FitError, match="alpha is -1"):
        GenePert(planted.source, alpha=-1)
    with pytest.raises(EmbeddingError, match="vector for 0 of 10"):
        GenePert(plant(10, prefix="x").source).fit(planted.effects())
    partly = Effects.from_delta(np.ones((2, 3)), perturbations=["P0+a", "P1+b"])
    with pytest.raises(FitError, match="No training perturbation has a vector in 'planted0' for all of its genes"):
        GenePert(planted.source).fit(partly)
