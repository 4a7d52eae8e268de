"""Mixing against scib-metrics, planted shifts, and what may not change the answer."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from tests.audit._planted import screen_like, subject_of

from perturbridge.audit._centroids import centroid_shifts
from perturbridge.audit._energy import energy_table, euclidean
from perturbridge.audit._geometry import check_geometry
from perturbridge.audit._graph import nearest_cells, neighbor_weights
from perturbridge.errors import DataError

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "scib_metrics.json").read_text(encoding="utf-8"))


def test_mixing_is_that_of_scib_metrics():
    """The planted latent and the graph are those of tests/golden/make_scib_metrics.py."""
    rng = np.random.default_rng(7)
    context = np.repeat([0, 1, 2], [120, 80, 40])
    z = rng.normal(size=(240, 5))
    z[context == 2, 0] += 1.0
    z = z.astype(np.float32)
    distances, neighbors = NearestNeighbors(n_neighbors=30).fit(z.astype(np.float64)).kneighbors()
    found = check_geometry(subject_of(z, context=context), graph=(neighbors, distances)).figures
    assert found["ilisi"] == pytest.approx(GOLDEN["ilisi"], abs=2e-5)
    assert found["lisi"] == pytest.approx(GOLDEN["lisi_mean"], abs=2e-5)
    assert found["kbet_acceptance"] == pytest.approx(GOLDEN["kbet_acceptance"], abs=1e-9)
    own = check_geometry(subject_of(z, context=context), n_neighbors=30).figures
    assert own["ilisi"] == pytest.approx(GOLDEN["ilisi"], abs=2e-5)


def test_neighbours_are_exact_and_never_the_cell_itself():
    rng = np.random.default_rng(0)
    z = 1000 + rng.normal(size=(300, 4)).astype(np.float32)
    among, queries = np.arange(0, 300, 2), np.array([0, 1, 7, 8])
    found, distances = nearest_cells(z, queries, k=5, among=among)
    exact = z.astype(np.float64)
    for row, query in enumerate(queries):
        gaps = np.linalg.norm(exact[among] - exact[query], axis=1)
        order = [int(among[i]) for i in np.argsort(gaps) if among[i] != query][:5]
        assert found[row].tolist() == order
        np.testing.assert_allclose(distances[row], np.linalg.norm(exact[order] - exact[query], axis=1), rtol=1e-9)


def test_weights_have_the_perplexity_asked_for():
    rng = np.random.default_rng(0)
    distances = np.sort(rng.random((20, 30)) * np.geomspace(1e-3, 1e3, 20)[:, None], axis=1)
    counted = np.ones_like(distances, dtype=bool)
    counted[:, 0] = False
    w = neighbor_weights(distances, counted, perplexity=10)
    entropy = -(np.where(w > 0, w, 1) * np.log(np.where(w > 0, w, 1))).sum(axis=1)
    np.testing.assert_allclose(np.exp(entropy), 10, rtol=1e-4)
    assert not w[:, 0].any()


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_centroid_shift_is_recovered_without_bias(shift):
    """The truth is shift² / n_dims in units of the within-spread; small groups would add to it."""
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        codes, strata = np.repeat([0, 1], 15), np.tile([0, 1, 2], 10)
        z = rng.normal(size=(30, 4)) + 5.0 * strata[:, None]
        z[codes == 1, 0] += shift
        found.append(centroid_shifts(z, codes, strata)[0][0, 1])
    assert np.mean(found) == pytest.approx(shift**2 / 4, abs=3 * np.std(found) / np.sqrt(60) + 0.01)


def test_energy_is_unbiased_and_that_of_all_pairs():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(9, 3)) + 0.7
    z = np.concatenate([x, y])
    matrix = euclidean(z, z)
    np.fill_diagonal(matrix, 0)
    table = energy_table(matrix, np.repeat([0, 1], [12, 9]), n_groups=2, folds=np.arange(21) % 3)

    def brute(a, b):
        def mean(u, v, same):
            pairs = [np.linalg.norm(p - q) for i, p in enumerate(u) for j, q in enumerate(v) if not (same and i == j)]
            return np.mean(pairs)

        return 2 * mean(a, b, same=False) - mean(a, a, same=True) - mean(b, b, same=True)

    assert table.energy()[0, 1] == pytest.approx(brute(x, y), abs=1e-9)
    kept = np.arange(21) % 3 != 1
    assert table.energy(without=1)[0, 1] == pytest.approx(brute(x[kept[:12]], y[kept[12:]]), abs=1e-9)


def test_a_shift_of_contexts_is_seen_and_none_is_not_invented():
    z, context, condition = screen_like(shift=2.0)
    moved = check_geometry(subject_of(z, context=context, condition=condition))
    assert moved.low > 0.2
    assert moved.p == moved.p_attainable
    assert moved.figures["centroid_shift"][0][1] == pytest.approx(2 / np.sqrt(8), rel=0.1)
    assert moved.verdict == "info"
    assert not moved.gates
    hits = []
    for seed in range(20):
        z, context, condition = screen_like(n=400, seed=seed)
        check = check_geometry(subject_of(z, context=context, condition=condition), seed=seed)
        assert abs(check.effect) < 0.1
        hits.append(check.p <= 0.05)
    assert sum(hits) <= 4


def test_state_that_differs_between_contexts_is_not_mixing_lost():
    rng = np.random.default_rng(0)
    context = np.repeat(["a", "b"], 400)
    state = np.where(rng.random(800) < np.where(context == "a", 0.2, 0.8), "x", "y")
    z = rng.normal(size=(800, 5)) + 6.0 * (state == "x")[:, None]
    assert check_geometry(subject_of(z, context=context)).effect > 0.2
    within = check_geometry(subject_of(z, context=context, state=state))
    assert abs(within.effect) < 0.03
    assert within.figures["centroid_shift_overall"] < 0.05


def test_order_names_place_turn_and_scale_change_nothing():
    z, context, condition = screen_like(n=500, shift=1.0)
    base = check_geometry(subject_of(z, context=context, condition=condition)).figures
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    order = rng.permutation(500)
    names = np.where(context == "c0", "zz", "aa")
    for other in (
        subject_of(7 * (z @ turn) + 20, context=context, condition=condition),
        subject_of(z[order], context=context[order], condition=condition[order]),
        subject_of(z, context=names, condition=condition),
    ):
        found = check_geometry(other).figures
        for key in ("lisi", "ilisi", "kbet_acceptance", "centroid_shift_overall", "energy_overall"):
            assert found[key] == pytest.approx(base[key], abs=2e-3), key


def test_odd_input_is_answered_clearly():
    z = np.ones((50, 3))
    check = check_geometry(subject_of(z, context=np.repeat(["a", "b"], 25)))
    assert check.figures["centroid_shift_overall"] is None
    assert "nothing to mix" in check_geometry(subject_of(z, context=["a"] * 50)).evidence
    with pytest.raises(DataError, match="50 cells"):
        check_geometry(
            subject_of(z, context=np.repeat(["a", "b"], 25)),
            graph=(np.zeros((9, 5), dtype=int), np.zeros((9, 5))),
        )


def test_many_contexts_cost_little():
    rng = np.random.default_rng(0)
    check = check_geometry(subject_of(rng.normal(size=(3000, 4)), context=rng.integers(0, 500, 3000).astype(str)))
    assert len(check.figures["contexts"]) == 30
    assert abs(check.effect) < 0.05
