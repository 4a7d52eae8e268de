"""Prototypes: weights that sum to 1, affine displacements kept, strata apart."""

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.response._prototypes import make_prototypes
from perturbridge.response._targets import factors, joined, split
from perturbridge.response._tuning import tune


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    strata = np.repeat([0, 2], [300, 100])
    return rng.normal(size=(400, 5)) + 4.0 * strata[:, None], strata


@pytest.fixture(scope="module")
def prototypes(cells):
    return make_prototypes(*cells, n=40, n_strata=3, rng=np.random.default_rng(1))


def test_shares_follow_the_controls(cells, prototypes):
    assert prototypes.shares.sum() == pytest.approx(1)
    assert prototypes.shares[prototypes.strata == 0].sum() == pytest.approx(0.75)
    assert (prototypes.strata == 0).sum() == 30
    assert np.isnan(prototypes.spread[1])
    assert np.allclose(prototypes.by_stratum.sum(axis=1), [1, 0, 1])
    # Each centre is the mean of its cells, so together they have the mean of all.
    assert np.allclose(prototypes.shares @ prototypes.centres, cells[0].mean(axis=0))


@pytest.mark.parametrize("trend", [0.0, 0.1, float("inf")])
def test_weights_sum_to_one_and_stay_in_the_stratum(cells, prototypes, trend):
    weights = prototypes.tuned(bandwidth=0.5, trend=trend).weights(*cells)
    assert np.allclose(weights.sum(axis=1), 1)
    assert (weights[:300][:, prototypes.strata == 2] == 0).all()


def test_an_affine_displacement_is_read_exactly_without_penalty(cells, prototypes):
    slope = np.random.default_rng(2).normal(size=(5, 3))
    read = prototypes.tuned(bandwidth=0.5, trend=0.0)
    found = read.weights(*cells) @ (prototypes.centres @ slope + 1.0)
    assert np.allclose(found, cells[0] @ slope + 1.0)


def test_tuning_finds_the_trend(cells, prototypes):
    slope = np.random.default_rng(2).normal(size=(5, 5))
    best, lost = tune(
        prototypes, (prototypes.centres @ slope)[None], (cells[0] @ slope)[None], x=cells[0], strata=cells[1]
    )
    assert best.trend == 0.01
    assert lost < 0.01
    constant = np.ones((1, 40, 5))
    assert tune(prototypes, constant, np.ones((1, 400, 5)), x=cells[0], strata=cells[1])[1] < 1e-12


def test_a_stratum_without_controls_is_refused(prototypes):
    with pytest.raises(DataError, match="2 of 2 cells lie in stratum 1"):
        prototypes.weights(np.zeros((2, 5)), np.array([1, 1]))


def test_one_control_is_enough(cells):
    x = np.array([[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]])
    found = make_prototypes(x, np.array([0, 0, 1]), n=8, n_strata=2, rng=np.random.default_rng(0))
    assert np.allclose(found.weights(x, np.array([0, 0, 1])).sum(axis=1), 1)


def test_parts_are_orthogonal_over_controls_and_add_up(prototypes):
    y = np.random.default_rng(3).normal(size=(7, 40, 5))
    mean, stratum, rest = split(y, prototypes)
    assert np.allclose(mean[:, None] + stratum[:, prototypes.strata] + rest, y)
    assert np.allclose(np.einsum("k,pkd->pd", prototypes.shares, rest), 0)
    squared = [(block**2).sum() for block in factors(y, prototypes, rng=np.random.default_rng(0))]
    assert sum(squared) == pytest.approx(np.einsum("k,pkd->", prototypes.shares, y**2))
    same = np.broadcast_to(np.eye(7), (3, 7, 7))
    assert np.allclose(joined(same, y, prototypes), y)


def test_left_out_errors_need_products_alone(prototypes):
    y = np.random.default_rng(4).normal(size=(6, 40, 5))
    for block, raw in zip(
        factors(y, prototypes, rng=np.random.default_rng(0)),
        (split(y, prototypes)[0], None, split(y, prototypes)[2]),
        strict=True,
    ):
        if raw is not None:
            flat = raw.reshape(6, -1) if raw.ndim == 2 else (raw * np.sqrt(prototypes.shares)[:, None]).reshape(6, -1)
            assert np.allclose(block @ block.T, flat @ flat.T)
