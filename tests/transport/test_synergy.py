"""What combinations do beyond their parts, where it was planted."""

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.transport import align_latent, synergy
from perturbridge.values import Latent

from ._worlds import relative_error

A, B = np.array([3.0, 0.0, 0.0, 0.0]), np.array([0.0, 2.0, 0.0, 0.0])


def planted(beyond, *, m=200, seed=0):
    """A, B, both, where both adds `beyond` in cells whose last coordinate is positive."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(800 + 3 * m, 4)) * np.r_[0.5, 0.5, 0.5, 0.5]
    last = np.where(rng.random(len(z)) < 0.5, -3.0, 3.0)
    z[:, 3] += last
    names = np.repeat(["control", "A", "B", "B+A"], [800, m, m, m])
    z += np.isin(names, ["A", "B+A"])[:, None] * A + np.isin(names, ["B", "B+A"])[:, None] * B
    truth = (last > 0)[:, None] * np.asarray(beyond)
    z += (names == "B+A")[:, None] * truth
    return align_latent(Latent(z=z), audit="override: planted", condition=names), z[:800], truth[:800]


def test_a_planted_synergy_is_found_cell_by_cell():
    alignment, z, truth = planted([0.0, 0.0, 2.0, 0.0])
    found = synergy(alignment, ("A", "B"), z)
    assert str(found.combination) == "A+B"
    assert relative_error(found.values, truth) < 0.25
    assert found.size == pytest.approx(np.sqrt((truth**2).sum(axis=1).mean()), rel=0.15)
    assert found.beyond_noise > 0.9


def test_parts_that_add_up_have_none():
    shares = []
    for seed in range(6):
        alignment, z, _ = planted(np.zeros(4), seed=seed)
        found = synergy(alignment, ("B", "A"), z)
        assert found.size < 0.3
        assert found.noise == pytest.approx(sum(alignment.report(name).noise for name in ("A", "B", "A+B")))
        shares.append(found.beyond_noise)
    assert np.mean(shares) < 0.4


def test_the_order_of_parts_does_not_matter():
    alignment, z, _ = planted([0.0, 0.0, 2.0, 0.0])
    one, two = synergy(alignment, ("A", "B"), z), synergy(alignment, ("B", "A"), z, combination="A+B")
    assert one.values == pytest.approx(two.values)


def test_what_cannot_be_asked_is_refused():
    alignment, z, _ = planted(np.zeros(4), m=30)
    for parts, cells, says in (
        (("A", "A"), z, "once"),
        (("A", "B"), z[:0], "Pass control"),
        (("A", "C"), z, "Nearest"),
    ):
        with pytest.raises(DataError) as caught:
            synergy(alignment, parts, cells)
        assert says in caught.value.cure
