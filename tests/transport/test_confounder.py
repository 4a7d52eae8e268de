"""The second opinion: agrees where the default is right, and has what depends on coordinates that treatment leaves alone."""

import numpy as np
import pytest

from perturbridge.errors import DataError, LeakageError
from perturbridge.transport import AlignmentSettings, align_latent, confounder_matched
from perturbridge.values import Latent

from ._worlds import relative_error


def planted(*, seed=0, m=300, strata="none", coarse=False):
    """Coordinate 0 is left alone and decides whether coordinate 2 moves; coordinate 1 moves in every cell."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(1000 + m, 3)) * np.r_[2.0, 1.0, 0.4]
    response = np.stack([np.zeros(len(z)), np.full(len(z), 2.0), 3.0 * (z[:, 0] > 0)], axis=1)
    names = np.repeat(["control", "A"], [1000, m])
    latent = Latent(z=z + (names == "A")[:, None] * response)
    alignment = align_latent(
        latent, audit="override: planted", condition=names, settings=AlignmentSettings(strata=strata)
    )
    return latent, alignment, names, response[:1000]


def test_an_effect_that_depends_on_what_treatment_leaves_alone_is_found():
    latent, alignment, names, truth = planted()
    found = confounder_matched(latent, alignment, "A", condition=names)
    assert list(found.used) == [False, False, True]
    assert relative_error(found.matched, truth) < 0.3
    assert relative_error(found.matched, truth) < 0.6 * relative_error(
        np.broadcast_to(truth.mean(axis=0), truth.shape), truth
    )
    assert relative_error(found.default, truth) < 0.45
    assert 0 < found.disagreement < 0.5
    assert found.mean_disagreement < 0.1
    assert (found.default == alignment.displacement(latent.z[:1000], "A")).all()


def test_covariates_are_matched_on_beside():
    latent, alignment, names, truth = planted()
    known = latent.z[:, 0]
    both = confounder_matched(latent, alignment, "A", condition=names, covariates=known)
    assert both.n_covariates == 1
    alone = confounder_matched(latent, alignment, "A", condition=names, covariates=known, tolerated_auc=0.0)
    assert not alone.used.any()
    assert relative_error(alone.matched, truth) < 0.3


def test_nothing_to_match_on_is_said():
    latent, alignment, names, _ = planted(m=60)
    with pytest.raises(DataError, match="Treatment can be read from all 3 components"):
        confounder_matched(latent, alignment, "A", condition=names, tolerated_auc=0.0)


def test_where_nothing_happened_little_moves():
    rng = np.random.default_rng(0)
    latent, names = Latent(z=rng.normal(size=(900, 4))), np.repeat(["control", "A"], [600, 300])
    alignment = align_latent(latent, audit="override: planted", condition=names)
    found = confounder_matched(latent, alignment, "A", condition=names)
    assert found.used.sum() >= 3
    assert np.sqrt((found.matched**2).sum(axis=1).mean()) < 0.6
    assert np.linalg.norm(found.matched.mean(axis=0)) < 0.2


def test_a_spread_that_changed_counts_as_read():
    rng = np.random.default_rng(0)
    names = np.repeat(["control", "A"], [600, 300])
    z = rng.normal(size=(900, 3)) * np.r_[3.0, 2.0, 1.0]
    z[600:, 1] *= 2.0
    latent = Latent(z=z)
    alignment = align_latent(latent, audit="override: planted", condition=names)
    found = confounder_matched(latent, alignment, "A", condition=names)
    assert list(found.used) == [True, False, True]
    assert found.aucs[1] > 0.6


def test_the_contexts_and_states_of_the_alignment_are_used():
    rng = np.random.default_rng(0)
    names = np.repeat(["control", "A"], [600, 300])
    batch, state = (np.array([f"{kind}{i}" for i in rng.integers(2, size=900)]) for kind in "bs")
    z = rng.normal(size=(900, 3)) * np.r_[2.0, 1.0, 0.5] + 5.0 * (batch == "b1")[:, None]
    z[:, 0] += 2.0 * (names == "A")
    latent = Latent(z=z)
    alignment = align_latent(latent, audit="override: planted", condition=names, context=batch, state=state)
    found = confounder_matched(latent, alignment, "A", condition=names, context=batch, state=state)
    assert found.matched.mean(axis=0) == pytest.approx([2.0, 0.0, 0.0], abs=0.4)
    assert found.mean_disagreement < 0.1
    with pytest.raises(DataError):
        confounder_matched(latent, alignment, "A", condition=names)


@pytest.mark.parametrize("bad", [np.zeros(5), np.full(1300, np.nan), np.ones(1300)])
def test_covariates_that_are_none_are_refused(bad):
    latent, alignment, names, _ = planted()
    with pytest.raises(DataError):
        confounder_matched(latent, alignment, "A", condition=names, covariates=bad)


def test_another_latent_is_refused():
    latent, alignment, names, _ = planted(m=60)
    other = Latent(z=latent.z + 1.0)
    with pytest.raises(LeakageError, match="was made of latent"):
        confounder_matched(other, alignment, "A", condition=names)
    with pytest.raises(DataError, match="was not aligned"):
        confounder_matched(latent, alignment, "B", condition=names)
