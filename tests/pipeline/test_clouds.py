"""Cells are read a stretch at a time, and scored as if all lay in memory at once."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import perturbridge as pb
from perturbridge.evaluation import contrast_of_ranks
from perturbridge.pipeline._clouds import paired_clouds, values_of_cells
from perturbridge.pipeline._rank_tests import real_rank_contrast
from perturbridge.values import Normalization


@pytest.fixture(scope="module")
def simulated():
    return pb.simulate.screen(n_perturbations=9, n_genes=60, cells_per_perturbation=30, n_controls=90, seed=4)


@pytest.fixture(scope="module")
def values(simulated):
    counts = simulated.counts.astype(np.float64)
    return np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))


@pytest.fixture
def short_reads(monkeypatch):
    monkeypatch.setattr("perturbridge.pipeline._clouds._ROWS_PER_READ", 16)


def test_values_are_those_of_the_whole_matrix(simulated, values, short_reads):
    rows = np.flatnonzero(np.random.default_rng(0).random(len(values)) < 0.3)
    np.testing.assert_allclose(values_of_cells(simulated.screen, rows), values[rows], rtol=1e-12)
    logged = replace(simulated.screen, normalization=Normalization(kind="log1p", place="X"))
    assert np.array_equal(values_of_cells(logged, rows), simulated.counts[rows])


def test_clouds_are_projections_of_the_whole_matrix(simulated, values, short_reads):
    screen, names = simulated.screen, simulated.screen.perturbations[:4]
    clouds = paired_clouds(screen, screen, names, seed=0)
    basis = values[~np.isin(screen.perturbation_codes, range(4))]
    axes = np.linalg.svd(basis - basis.mean(axis=0), full_matrices=False)[2][:20].T
    for code, name in enumerate(names):
        wanted = (values[screen.perturbation_codes == code] - basis.mean(axis=0)) @ axes
        # A component may point either way.
        for cloud in clouds[name]:
            np.testing.assert_allclose(np.abs(cloud), np.abs(wanted), atol=1e-9)


@pytest.mark.parametrize("most", [1, 2000, 10**9])
@pytest.mark.parametrize("ranked", [1, 1000, 10**9])
def test_rank_tests_do_not_depend_on_how_much_is_held(simulated, values, most, ranked, short_reads, monkeypatch):
    monkeypatch.setattr("perturbridge.pipeline._rank_tests._MOST_STORED", most)
    monkeypatch.setattr("perturbridge.evaluation._wilcoxon._MOST_RANKED", ranked)
    screen, effects = simulated.screen, pb.pseudobulk(simulated.screen)
    names = (screen.perturbations[3], screen.perturbations[0], screen.perturbations[7])
    found = real_rank_contrast(screen, effects, names, seed=0)
    codes, single = screen.perturbation_codes, values.astype(np.float32)
    monkeypatch.setattr("perturbridge.evaluation._wilcoxon._MOST_RANKED", 10**9)
    wanted = contrast_of_ranks(
        effects.delta[effects.rows(names)], (single[codes == code] for code in (3, 0, 7)), single[codes == -1]
    )
    np.testing.assert_array_equal(found.p, wanted.p)
    np.testing.assert_array_equal(found.size, wanted.size)
    np.testing.assert_array_equal(found.significant, wanted.significant)


def test_clouds_hold_one_stretch_of_cells(monkeypatch):
    monkeypatch.setattr("perturbridge.pipeline._clouds._BASIS_CELLS", 100)
    monkeypatch.setattr("perturbridge.pipeline._clouds._ROWS_PER_READ", 128)
    screen = pb.simulate.screen(n_perturbations=40, n_genes=200, cells_per_perturbation=150, seed=1).screen
    tracemalloc.start()
    paired_clouds(screen, screen, screen.perturbations[:30], seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All drawn cells as dense rows are 7.2 MB; as 20 coordinates, on both sides, 1.4 MB.
    assert peak < 30 * 150 * 200 * 8
