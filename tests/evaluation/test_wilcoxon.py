"""Calls by ranks: gene by gene as scipy has them, and nothing from genes that never change."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, mannwhitneyu

from perturbridge.evaluation import PredictedCells, Scorer, contrast_of_ranks, to_frame


@pytest.fixture
def cells():
    """Three perturbations of unequal size with many zeros; the second and third gene are constant, the third at another value."""
    rng = np.random.default_rng(0)

    def draw(n, shift):
        values = np.where(rng.random((n, 40)) < 0.4, rng.normal(1 + shift, 0.3, size=(n, 40)).clip(0).round(1), 0.0)
        values[:, 1] = 0.5
        return values.astype(np.float32)

    groups, controls = [draw(n, shift) for n, shift in ((20, 0.0), (31, 0.8), (12, -0.4))], draw(60, 0.0)
    for group in groups:
        group[:, 2] = 2.0
    controls[:, 2] = 1.0
    change = np.stack([group.mean(axis=0) - controls.mean(axis=0) for group in groups]).astype(np.float64)
    return change, groups, controls


def test_p_values_and_calls_are_those_of_scipy(cells):
    change, groups, controls = cells
    found = contrast_of_ranks(change, iter(groups), controls)
    for i, group in enumerate(groups):
        p = [mannwhitneyu(x, y, method="asymptotic").pvalue for x, y in zip(group.T, controls.T, strict=True)]
        p[1] = 1.0
        np.testing.assert_allclose(found.p[i], p, rtol=1e-12)
        np.testing.assert_array_equal(found.significant[i], false_discovery_control(p) < 0.05)
    assert (found.p[:, 1] == 1).all()
    assert (found.size[:, 1] == 0).all()
    assert found.significant[:, 2].all()
    assert found.significant[1].sum() > 5
    np.testing.assert_array_equal(found.change, change)


def test_given_calls_take_the_place_of_welch(make_effects, make_prediction, cells):
    """Rows and genes of either side are matched by name, whatever their order."""
    change, groups, controls = cells
    effects = make_effects(change, noise=1.0)
    real = contrast_of_ranks(change, groups, controls)
    order = np.array([2, 0, 1])
    turned = np.arange(40)[::-1]
    prediction = make_prediction(
        change[order][:, turned],
        effects=effects,
        perturbations=[str(effects.perturbations[i]) for i in order],
        genes=[effects.genes[j] for j in turned],
    )
    own = PredictedCells(n_cells=np.full(3, 10), variance=np.ones((3, 40)), contrast=real.of_rows(order).take(turned))
    names = ["de_sig_jaccard", "de_overlap_at_n", "de_auroc"]
    scorer = Scorer(effects, effects.perturbations, train=None, exclude_targets=False, contrast=real)
    wide = to_frame(scorer.score(prediction, cells=own, metrics=names)).pivot_table(
        index="perturbation", columns="metric", values="value"
    )
    assert (wide == 1).all(axis=None)
    welch = Scorer(effects, effects.perturbations, train=None, exclude_targets=False)
    assert not (welch.score(prediction, cells=own, metrics=names).value == 1).all()
