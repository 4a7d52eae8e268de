"""Differential expression from moments against scipy, cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import perturbridge as pb
from perturbridge.evaluation import PredictedCells, Scorer, contrast_of_profile, contrast_of_real, to_frame
from perturbridge.evaluation._clusters import gene_clusters
from perturbridge.evaluation._weighted import PanelMoments, gene_weights, rest_statistic
from perturbridge.screens import ArraySource
from perturbridge.values import Normalization, Prediction, Screen, as_names


@pytest.fixture(scope="module")
def cells():
    """Three perturbations and controls of one context, log1p values."""
    rng = np.random.default_rng(0)
    names = as_names(["A", "B", "C"])
    codes = np.r_[np.repeat(np.arange(3), 15), np.full(40, -1)].astype(np.int32)
    shift = rng.normal(0, 0.6, size=(4, 25)) * [[1], [1], [1], [0]]
    values = (1.5 + shift[codes] + rng.normal(0, 0.4, size=(len(codes), 25))).clip(0)
    screen = Screen(
        source=ArraySource(values, description="made"),
        genes=tuple(f"g{j:02d}" for j in range(25)),
        perturbations=names,
        perturbation_codes=codes,
        normalization=Normalization(kind="log1p", place="X"),
    )
    return values, codes, pb.pseudobulk(screen)


def test_welch_from_moments_is_welch_of_cells(cells):
    values, codes, effects = cells
    found = contrast_of_real(effects)
    for i in range(3):
        theirs = stats.ttest_ind(values[codes == i], values[codes == -1], equal_var=False)
        np.testing.assert_allclose(found.p[i], theirs.pvalue, rtol=1e-6)
        np.testing.assert_allclose(found.size[i], np.abs(theirs.statistic), rtol=1e-6)
        np.testing.assert_array_equal(found.significant[i], stats.false_discovery_control(theirs.pvalue) < 0.05)
    assert found.significant.any()
    assert not found.significant.all()


def test_a_profile_is_tested_as_if_measured(cells):
    _, _, effects = cells
    change = effects.delta * 0.5
    found = contrast_of_profile(change, effects)
    variance = effects.contexts.control_variance[0] * (1 / 15 + 1 / 40)
    np.testing.assert_allclose(found.p, 2 * stats.norm.sf(np.abs(change) / np.sqrt(variance)), rtol=1e-9)


def test_the_rest_is_all_other_perturbed_cells(cells):
    values, codes, effects = cells
    found = rest_statistic(effects, PanelMoments.of(effects))
    for i in range(3):
        rest = values[(codes != i) & (codes >= 0)]
        theirs = stats.ttest_ind(values[codes == i], rest, equal_var=False).statistic
        np.testing.assert_allclose(found[i], theirs, rtol=1e-6)


def test_weights_sum_to_one_over_the_genes_that_count():
    rng = np.random.default_rng(1)
    counted = rng.random((5, 12)) > 0.3
    weights = gene_weights(rng.normal(size=(5, 12)), counted)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights[~counted] == 0).all()
    np.testing.assert_allclose(gene_weights(np.ones((1, 4)), np.ones((1, 4), dtype=bool)), 0.25)


def test_predicted_cells_are_called_by_their_own_spread(cells):
    """The real cells as the prediction: the same calls; ten times the spread: none."""
    _, _, effects = cells
    prediction = Prediction(
        perturbations=effects.perturbations[:2],
        genes=effects.genes,
        delta=effects.delta[:2],
        status=("predicted",) * 2,
        detail=("",) * 2,
        model="m",
    )
    scorer = Scorer(effects, effects.perturbations[:2], train=effects.perturbations[2:])

    def jaccard(variance):
        own = PredictedCells(n_cells=effects.n_cells[:2], variance=variance)
        frame = to_frame(scorer.score(prediction, metrics=["de_sig_jaccard"], cells=own))
        return frame["value"].to_numpy()

    np.testing.assert_array_equal(jaccard(effects.variance[:2]), 1)
    assert (jaccard(100 * effects.variance[:2]) < 0.5).all()


def test_perturbations_that_share_a_gene_hang_together():
    found = gene_clusters(["A", "A+B", "C", "B+D", "E+F"])
    assert found.tolist() == [[0, -1], [0, 1], [2, -1], [1, -1], [3, -1]]
    assert gene_clusters(["A", "B"]).tolist() == [[0], [1]]
