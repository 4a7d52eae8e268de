"""Any regressor under the protocol of the model."""

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge

from perturbridge.effects import EffectModel, RegressorModel
from perturbridge.errors import EmbeddingError, FitError


def ratio(model, planted, *, n_train=45):
    train = planted.effects(planted.names[:n_train], noise=0.3)
    truth = planted.effects(planted.names[n_train:]).delta
    off = ((model.fit(train).predict(planted.names[n_train:]).delta - truth) ** 2).sum()
    return off / ((train.delta.mean(0) - truth) ** 2).sum()


@pytest.mark.parametrize("regressor", [Ridge(alpha=0.5), RandomForestRegressor(30, random_state=0)])
def test_regressors_learn_a_planted_map(plant, regressor):
    assert ratio(RegressorModel(plant(60).source, regressor=regressor), plant(60)) < 0.75


def test_ridge_in_the_seam_is_close_to_the_model(plant):
    planted = plant(60)
    seam = ratio(RegressorModel(planted.source, regressor=Ridge(alpha=0.5)), planted)
    assert seam == pytest.approx(ratio(EffectModel(planted.source, kernel="linear"), planted), abs=0.05)


def test_what_does_not_predict_held_out_rows_is_shrunk_to_the_mean(plant):
    planted = plant(40)
    train = planted.effects(planted.names[:30], noise=0.3)
    model = RegressorModel(planted.source, regressor=DummyRegressor()).fit(train)
    assert np.allclose(model.predict(["P35"]).delta[0], train.delta.mean(0))


def test_regressor_is_copied_and_combinations_are_sums(plant):
    planted, regressor = plant(40), Ridge()
    train = planted.effects(planted.names[:30], noise=0.3)
    model = RegressorModel(planted.source, regressor=regressor).fit(train)
    assert not hasattr(regressor, "coef_")
    delta = model.predict(["P0+P1", "P0+P35", "P35"]).delta
    assert np.allclose(delta[0], train.delta[:2].sum(0))
    assert np.allclose(delta[1], train.delta[0] + delta[2])


def test_intervals_cover(plant):
    inside = []
    for seed in range(6):
        planted = plant(100, seed=seed)
        both = planted.effects(noise=1.0, seed=seed)
        model = RegressorModel(planted.source, regressor=Ridge()).fit(both.take(both.perturbations[:60]))
        test = both.take(both.perturbations[60:])
        found = model.predict(test.perturbations)
        inside.append(((found.lower <= test.delta) & (test.delta <= found.upper)).mean())
    assert 0.86 < np.mean(inside) < 0.94


class Wrong:
    def fit(self, x, y):
        return self

    def predict(self, x):
        return np.zeros((len(x), 1))


def test_misuse_is_explained(plant):
    planted = plant(40)
    with pytest.raises(FitError, match="has no method 'predict'"):
        RegressorModel(planted.source, regressor=type("Half", (), {"fit": lambda s, x, y: s})())
    with pytest.raises(FitError, match="0 sources and 64 components"):
        RegressorModel([], regressor=Ridge())
    with pytest.raises(FitError, match=r"predicted shape \(8, 1\) for \(8, \d\).*MultiOutputRegressor"):
        RegressorModel(planted.source, regressor=Wrong()).fit(planted.effects())
    with pytest.raises(FitError, match="got 4 training perturbations and needs at least 5"):
        RegressorModel(planted.source, regressor=Ridge()).fit(planted.effects(planted.names[:4]))
    with pytest.raises(EmbeddingError, match="for 0 of"):
        RegressorModel(plant(10, prefix="Q").source, regressor=Ridge()).fit(planted.effects())
