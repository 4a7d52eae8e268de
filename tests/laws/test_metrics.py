"""What every metric owes its facts; a metric that is listed in the table gets the suite."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perturbridge.evaluation import HEADLINE, METRICS, Aligned

GOLDEN = Path(__file__).parents[1] / "golden"


def over(wanted=lambda metric: True):
    """Run a law over all metrics of which the fact holds."""
    members = [metric for metric in METRICS.values() if wanted(metric)]
    return pytest.mark.parametrize("metric", members, ids=[metric.name for metric in members])


def is_score(metric):
    return metric.family != "limit"


@st.composite
def aligned(draw):
    """Small tables of eighths: ties, zeros and constant rows are common, rounding is not."""
    n, n_genes = draw(st.integers(2, 5)), draw(st.integers(2, 9))
    size = n * n_genes
    numbers = draw(hnp.arrays(np.int64, 3 * size + n_genes, elements=st.integers(-24, 24), fill=st.nothing())) / 8.0
    pred, true, noise = numbers[: 3 * size].reshape(3, n, n_genes)
    some = np.arange(size).reshape(n, n_genes) % draw(st.integers(2, 7)) > 0
    return Aligned.of(
        pred, true, counted=some if draw(st.booleans()) else None, noise=np.abs(noise), train_mean=numbers[3 * size :]
    )


def random_case(seed=0, n=6, n_genes=150, error=1.0):
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(n, n_genes))
    return Aligned.of(
        true + error * rng.normal(size=(n, n_genes)),
        true,
        noise=rng.uniform(0.1, 0.5, size=(n, n_genes)),
        train_mean=rng.normal(size=n_genes),
    )


def genes_taken(pair, columns):
    return replace(
        pair,
        pred=pair.pred[:, columns],
        true=pair.true[:, columns],
        counted=pair.counted[:, columns],
        strength=pair.strength[:, columns],
        noise=pair.noise[:, columns],
        train_mean=pair.train_mean[columns],
    )


def rows_taken(pair, rows):
    return replace(
        pair,
        pred=pair.pred[rows],
        true=pair.true[rows],
        counted=pair.counted[rows],
        strength=pair.strength[rows],
        noise=pair.noise[rows],
    )


def scaled(pair, c):
    return replace(
        pair,
        pred=c * pair.pred,
        true=c * pair.true,
        strength=c * pair.strength,
        noise=c**2 * pair.noise,
        train_mean=c * pair.train_mean,
    )


def panel_ready(metric, pair):
    """Discrimination looks at all genes it is given; those that do not count were taken out before."""
    return replace(pair, counted=np.ones_like(pair.counted)) if "panel" in metric.needs else pair


def agree(first, second):
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-9)


@over()
@given(pair=aligned())
def test_values_lie_between_worst_and_best(metric, pair):
    value = metric.compute(panel_ready(metric, pair))
    assert value.shape == (len(pair.true),)
    assert value.dtype == np.float64
    low, high = sorted((metric.best, metric.worst))
    known = value[~np.isnan(value)]
    assert ((known >= low) & (known <= high)).all()


@over(is_score)
@given(pair=aligned())
def test_truth_itself_scores_best(metric, pair):
    pair = panel_ready(metric, replace(pair, pred=pair.true, noise=np.zeros_like(pair.true)))
    if "panel" in metric.needs:
        directions = pair.true / np.maximum(np.linalg.norm(pair.true, axis=1, keepdims=True), 1e-300)
        assume(len(np.unique(directions.round(9), axis=0)) == len(directions))
    value = metric.compute(pair)
    agree(value[~np.isnan(value)], metric.best)


@over()
@given(pair=aligned(), seed=st.integers(0, 9))
def test_order_of_genes_decides_nothing(metric, pair, seed):
    if "strength" in metric.needs:
        pair = replace(pair, strength=np.argsort(np.argsort(pair.strength, axis=1), axis=1) + 1.0)
    pair = panel_ready(metric, pair)
    order = np.random.default_rng(seed).permutation(pair.true.shape[1])
    agree(metric.compute(genes_taken(pair, order)), metric.compute(pair))


@over()
@given(pair=aligned(), seed=st.integers(0, 9))
def test_order_of_perturbations_decides_nothing(metric, pair, seed):
    pair = panel_ready(metric, pair)
    order = np.random.default_rng(seed).permutation(len(pair.true))
    agree(metric.compute(rows_taken(pair, order)), metric.compute(pair)[order])


@over(lambda m: "strength" not in m.needs)
@given(pair=aligned())
def test_every_gene_twice_changes_nothing(metric, pair):
    pair = panel_ready(metric, pair)
    n = pair.true.shape[1]
    agree(metric.compute(genes_taken(pair, np.r_[:n, :n])), metric.compute(pair))


@over()
@given(pair=aligned(), c=st.sampled_from([0.25, 4.0]))
def test_degree_of_homogeneity(metric, pair, c):
    pair = panel_ready(metric, pair)
    agree(metric.compute(scaled(pair, c)), c**metric.degree * metric.compute(pair))


@over()
def test_degree_is_the_right_one(metric):
    pair = random_case()
    wrong = 2.0 ** (1 - metric.degree) * metric.compute(pair)
    assert not np.allclose(metric.compute(scaled(pair, 2.0)), wrong)


@over(lambda m: is_score(m) and m.symmetric)
@given(pair=aligned())
def test_symmetric_where_it_says_so(metric, pair):
    agree(metric.compute(replace(pair, pred=pair.true, true=pair.pred)), metric.compute(pair))


@over(is_score)
def test_asymmetric_where_it_says_so(metric):
    pair = random_case(3, n=30, error=6.0)
    turned = Aligned.of(pair.true, pair.pred, noise=pair.noise, train_mean=pair.train_mean)
    assert np.allclose(metric.compute(turned), metric.compute(pair)) == metric.symmetric


@over(lambda m: m.pred_scale_free)
@given(pair=aligned(), c=st.sampled_from([0.25, 4.0]))
def test_scale_of_the_prediction_is_ignored_where_it_says_so(metric, pair, c):
    pair = panel_ready(metric, pair)
    agree(metric.compute(replace(pair, pred=c * pair.pred)), metric.compute(pair))


@over()
def test_scale_of_the_prediction_matters_where_it_says_so(metric):
    pair = random_case(1, n=30, error=6.0)
    same = [np.allclose(metric.compute(replace(pair, pred=c * pair.pred)), metric.compute(pair)) for c in (0.02, 50.0)]
    assert all(same) == metric.pred_scale_free


@over(lambda m: "panel" not in m.needs)
@given(pair=aligned())
def test_genes_that_do_not_count_change_nothing(metric, pair):
    other = replace(
        pair,
        pred=np.where(pair.counted, pair.pred, 99.0),
        true=np.where(pair.counted, pair.true, -77.0),
        noise=np.where(pair.counted, pair.noise, 5.0),
        strength=np.where(pair.counted, pair.strength, 1e6),
    )
    agree(metric.compute(other), metric.compute(pair))


@over()
def test_rows_are_scored_alone_unless_they_compete(metric):
    pair = random_case(2)
    alone = np.concatenate([metric.compute(rows_taken(pair, [i])) for i in range(len(pair.true))])
    assert np.allclose(alone, metric.compute(pair)) == ("panel" not in metric.needs)


@over()
def test_what_it_needs_is_what_it_reads(metric):
    pair = random_case(4)
    value = metric.compute(pair)
    for need, without in (("noise", replace(pair, noise=None)), ("train_mean", replace(pair, train_mean=None))):
        assert np.isnan(metric.compute(without)).all() == (need in metric.needs)
    shuffled = replace(pair, strength=pair.strength[:, ::-1])
    assert np.allclose(metric.compute(shuffled), value) == ("strength" not in metric.needs)


@over()
def test_limits_do_not_depend_on_the_prediction(metric):
    pair = random_case(5)
    same = np.allclose(metric.compute(replace(pair, pred=pair.pred[::-1])), metric.compute(pair))
    assert same == (metric.family == "limit")


@over(lambda m: not np.isnan(m.chance))
def test_no_information_scores_chance(metric):
    """Predictions drawn apart from the truth: the mean score is the chance value where the metric has one."""
    rng = np.random.default_rng(0)
    pair = Aligned.of(rng.normal(size=(150, 200)), rng.normal(size=(150, 200)), train_mean=np.zeros(200))
    value = metric.compute(pair)
    assert abs(value.mean() - metric.chance) < 4 * value.std() / np.sqrt(len(value))
    assert min(metric.best, metric.worst) <= metric.chance < metric.best


@over()
def test_facts_name_what_exists(metric):
    assert metric.ceiling in ("", "best", *METRICS)
    if metric.ceiling in METRICS:
        assert METRICS[metric.ceiling].family == "limit"
    assert metric.higher_is_better == (metric.best > metric.worst)
    assert set(metric.needs) <= {"noise", "train_mean", "strength", "panel"}
    assert metric.title
    assert bool(metric.unit) == (metric.degree == 1)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError, match="item assignment"):
        METRICS["mine"] = METRICS["rmse"]
    assert [metric.name for metric in METRICS.values()] == list(METRICS)
    assert set(HEADLINE) <= set(METRICS)


def golden():
    data = json.loads((GOLDEN / "metrics.json").read_text(encoding="utf-8"))
    pair = Aligned.of(
        np.array(data["pred"]),
        np.array(data["true"]),
        counted=np.array(data["counted"]),
        noise=np.array(data["noise"]),
        train_mean=np.array(data["train_mean"]),
    )
    return replace(pair, strength=np.array(data["strength"], dtype=float)), data["scores"]


@over()
def test_golden_values(metric):
    """From scipy, scikit-learn and plain loops: tests/golden/make_metrics.py."""
    pair, scores = golden()
    np.testing.assert_allclose(metric.compute(pair), scores[metric.name], rtol=1e-12)


def test_golden_values_tell_all_metrics_apart():
    """No metric can stand in for another without a golden value noticing."""
    _, scores = golden()
    assert set(scores) == set(METRICS)
    for first, second in combinations(scores, 2):
        assert not np.allclose(scores[first], scores[second]), (first, second)
