"""Directions that stand out from the null are kept, the others go."""

import numpy as np
import pytest

from perturbridge.transport._shrink import kept_directions


def planted(n=4000, lengths=(2.0, 1.0, 0.1)):
    """Displacements freed of their mean, uncorrelated, with these root mean squares."""
    apart = np.linalg.qr(np.random.default_rng(0).normal(size=(n, len(lengths))))[0] * np.sqrt(n)
    return apart * np.array(lengths)


def test_each_direction_is_kept_by_what_it_has_beyond_the_null():
    apart = planted()
    keep, share = kept_directions(apart, 0.5)
    assert keep == pytest.approx(np.diag([1 - 0.5 / 4, 1 - 0.5, 0.0]), abs=1e-9)
    assert share == pytest.approx((4 * (7 / 8) ** 2 + 0.25) / 5.01)
    assert share == pytest.approx(((apart @ keep) ** 2).sum() / (apart**2).sum())


def test_turning_the_latent_turns_what_is_kept():
    apart = planted()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    keep, share = kept_directions(apart, 0.5)
    turned, same = kept_directions(apart @ turn, 0.5)
    assert turned == pytest.approx(turn.T @ keep @ turn, abs=1e-9)
    assert same == pytest.approx(share)


@pytest.mark.parametrize(("top", "expected"), [(0.0, 1.0), (4.1, 0.0), (np.inf, 0.0)])
def test_limits(top, expected):
    keep, share = kept_directions(planted(), top)
    assert share == pytest.approx(expected)
    assert keep == pytest.approx(expected * np.eye(3), abs=1e-9)


def test_displacements_that_do_not_differ_have_nothing_to_keep():
    assert kept_directions(np.zeros((10, 3)), 0.0)[1] == 0.0
