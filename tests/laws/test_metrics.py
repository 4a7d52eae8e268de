"""What every metric owes its facts; a metric that is listed in the table gets the suite."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from itertools import combinations
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import ndtr

from perturbridge.evaluation import ALIASES, HEADLINE, METRICS, Aligned, Contrast
from perturbridge.evaluation._metric import Need
from perturbridge.evaluation._welch import adjust

GOLDEN = Path(__file__).parents[1] / "golden"
STANDARD_ERROR = 0.6
CORNERS = np.array([[0.0, 0.0], [1.0, 0.5], [-0.5, 1.0], [0.25, -1.0], [2.0, 0.125]])


def over(wanted=lambda metric: True):
    """Run a law over all metrics of which the fact holds."""
    members = [metric for metric in METRICS.values() if wanted(metric)]
    return pytest.mark.parametrize("metric", members, ids=[metric.name for metric in members])


def law(wanted=lambda metric: True, **drawn):
    """Run a law over all metrics of which the fact holds, on drawn cases; all metrics see the same ones."""
    members = [metric for metric in METRICS.values() if wanted(metric)]

    def wrap(check):
        @settings(max_examples=20)
        @given(pair=aligned(), **drawn)
        def test(pair, **values):
            for metric in members:
                try:
                    check(metric, pair, **values)
                except AssertionError as error:
                    error.add_note(f"metric: {metric.name}")
                    raise

        test.__doc__ = check.__doc__
        return test

    return wrap


def is_score(metric):
    return metric.is_score


def contrast(change):
    """A side's calls from its changes, at one standard error for all genes."""
    size = np.abs(change) / STANDARD_ERROR
    p = 2 * ndtr(-size)
    return Contrast(change=change, size=size, p=p, significant=adjust(p) < 0.05)


def clouds(profiles):
    """A few cells for each row, which know the profile but not the order of its genes."""
    return [CORNERS + [row.mean(), row.std()] for row in profiles]


def case(pred, true, *, noise, train_mean, counted=None):
    """Two tables of profiles with all else that metrics read, made from them by formula."""
    pair = Aligned.of(pred, true, counted=counted, noise=noise, train_mean=train_mean)
    genes = np.arange(pair.true.shape[1])
    return replace(
        pair,
        de_real=contrast(pair.true),
        de_pred=contrast(pair.pred),
        rest=2 * pair.true + np.roll(pair.true, 1, axis=0),
        lower=pair.pred - 0.5 - pair.noise - np.abs(pair.pred) / 4,
        upper=pair.pred + 0.5 + pair.noise + np.abs(pair.pred) / 4,
        reference_noise=np.abs(train_mean) / 8,
        pred_noise=pair.noise[::-1] / 2,
        allowance=pair.noise[::-1] / 4,
        cells=tuple(zip(clouds(pair.true), clouds(pair.pred), strict=True)),
        gene_sets={"expressed": genes % 3 > 0, "variable": genes % 4 != 1},
    )


@st.composite
def aligned(draw):
    """Small tables of eighths: ties, zeros and constant rows are common, rounding is not."""
    n, n_genes = draw(st.integers(2, 5)), draw(st.integers(2, 9))
    size = n * n_genes
    numbers = draw(hnp.arrays(np.int64, 3 * size + n_genes, elements=st.integers(-24, 24), fill=st.nothing())) / 8.0
    pred, true, noise = numbers[: 3 * size].reshape(3, n, n_genes)
    some = np.arange(size).reshape(n, n_genes) % draw(st.integers(2, 7)) > 0
    counted = some if draw(st.booleans()) else None
    return case(pred, true, noise=np.abs(noise), train_mean=numbers[3 * size :], counted=counted)


def random_case(seed=0, n=6, n_genes=150, error=1.0):
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(n, n_genes))
    return case(
        true + error * rng.normal(size=(n, n_genes)),
        true,
        noise=rng.uniform(0.1, 0.5, size=(n, n_genes)),
        train_mean=rng.normal(size=n_genes),
    )


def each_side(side, change):
    return Contrast(**{field.name: change(getattr(side, field.name)) for field in fields(Contrast)})


def tables_changed(pair, change):
    """Apply one change to every table `(n_perturbations, n_genes)`."""
    names = ("pred", "true", "counted", "strength", "noise", "rest", "lower", "upper", "pred_noise", "allowance")
    return replace(
        pair,
        **{name: change(getattr(pair, name)) for name in names},
        de_real=each_side(pair.de_real, change),
        de_pred=each_side(pair.de_pred, change),
    )


def genes_taken(pair, columns):
    return replace(
        tables_changed(pair, lambda table: table[:, columns]),
        train_mean=pair.train_mean[columns],
        reference_noise=pair.reference_noise[columns],
        gene_sets={name: chosen[columns] for name, chosen in pair.gene_sets.items()},
    )


def rows_taken(pair, rows):
    return replace(
        tables_changed(pair, lambda table: table[rows]),
        cells=tuple(pair.cells[i] for i in np.arange(len(pair.true))[rows]),
    )


def scaled(pair, c):
    """The whole case in another unit; what is called significant stays."""
    sides = {
        name: replace(getattr(pair, name), change=c * getattr(pair, name).change) for name in ("de_real", "de_pred")
    }
    return replace(
        pair,
        pred=c * pair.pred,
        true=c * pair.true,
        strength=c * pair.strength,
        noise=c**2 * pair.noise,
        pred_noise=c**2 * pair.pred_noise,
        allowance=c**2 * pair.allowance,
        reference_noise=c**2 * pair.reference_noise,
        train_mean=c * pair.train_mean,
        lower=c * pair.lower,
        upper=c * pair.upper,
        cells=tuple((c * x, c * y) for x, y in pair.cells),
        **sides,
    )


def prediction_scaled(pair, c):
    return replace(
        pair,
        pred=c * pair.pred,
        pred_noise=c**2 * pair.pred_noise,
        allowance=c**2 * pair.allowance,
        de_pred=contrast(c * pair.pred),
        lower=c * pair.lower,
        upper=c * pair.upper,
        cells=tuple((x, c * y) for x, y in pair.cells),
    )


def turned(pair):
    """Prediction and truth exchanged, with what follows from either."""
    return case(pair.true, pair.pred, noise=pair.noise, train_mean=pair.train_mean, counted=pair.counted)


def exact(pair):
    """The truth as the prediction, without doubt about it."""
    return replace(
        pair,
        pred=pair.true,
        noise=np.zeros_like(pair.true),
        pred_noise=np.zeros_like(pair.true),
        allowance=np.zeros_like(pair.true),
        de_pred=pair.de_real,
        lower=pair.true,
        upper=pair.true,
        cells=tuple((x, x) for x, _ in pair.cells),
    )


def panel_ready(metric, pair):
    """Discrimination looks at all genes it is given; those that do not count were taken out before."""
    return replace(pair, counted=np.ones_like(pair.counted)) if "panel" in metric.needs else pair


def agree(first, second):
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-9)


@law()
def test_values_lie_between_worst_and_best(metric, pair):
    value = metric.compute(panel_ready(metric, pair))
    assert value.shape == (len(pair.true),)
    assert value.dtype == np.float64
    low, high = (0.0, 1.0) if metric.family == "coverage" else sorted((metric.best, metric.worst))
    known = value[~np.isnan(value)]
    if metric.unbiased:
        low, high = (low, np.inf) if metric.higher_is_better else (-np.inf, high)
    assert ((known >= low) & (known <= high)).all()


@law(is_score)
def test_truth_itself_scores_best(metric, pair):
    pair = panel_ready(metric, exact(pair))
    if "panel" in metric.needs:
        directions = pair.true / np.maximum(np.linalg.norm(pair.true, axis=1, keepdims=True), 1e-300)
        assume(len(np.unique(directions.round(9), axis=0)) == len(directions))
    value = metric.compute(pair)
    known = value[~np.isnan(value)]
    if metric.unbiased and "cells" in metric.needs:
        # The same cells on both sides are closer than two draws of one cloud.
        assert (known <= metric.best + 1e-12).all()
    else:
        agree(known, metric.best)


def untied(pair):
    """The same case with no two genes of a row equally strong or equally changed, where order must decide."""

    def spread(table):
        return table + np.arange(table.shape[1]) / 4096

    sides = {
        name: replace(getattr(pair, name), change=spread(getattr(pair, name).change)) for name in ("de_real", "de_pred")
    }
    return replace(pair, strength=np.argsort(np.argsort(pair.strength, axis=1), axis=1) + 1.0, **sides)


@law(seed=st.integers(0, 9))
def test_order_of_genes_decides_nothing(metric, pair, seed):
    pair = panel_ready(metric, untied(pair))
    order = np.random.default_rng(seed).permutation(pair.true.shape[1])
    agree(metric.compute(genes_taken(pair, order)), metric.compute(pair))


@law(seed=st.integers(0, 9))
def test_order_of_perturbations_decides_nothing(metric, pair, seed):
    pair = panel_ready(metric, pair)
    order = np.random.default_rng(seed).permutation(len(pair.true))
    agree(metric.compute(rows_taken(pair, order)), metric.compute(pair)[order])


@law(lambda m: not m.top and not m.counts_genes)
def test_every_gene_twice_changes_nothing(metric, pair):
    pair = panel_ready(metric, untied(pair))
    n = pair.true.shape[1]
    once, twice = metric.compute(pair), metric.compute(genes_taken(pair, np.r_[:n, :n]))
    # With more genes a metric that asks for a few of them may be defined where it was not.
    known = ~np.isnan(once)
    agree(twice[known], once[known])


@law(c=st.sampled_from([0.25, 4.0]))
def test_degree_of_homogeneity(metric, pair, c):
    pair = panel_ready(metric, pair)
    agree(metric.compute(scaled(pair, c)), c**metric.degree * metric.compute(pair))


@over()
def test_degree_is_the_right_one(metric):
    pair = random_case(error=6.0)
    wrong = 2.0 ** (1 - metric.degree) * metric.compute(pair)
    assert not np.allclose(metric.compute(scaled(pair, 2.0)), wrong)


@law(lambda m: is_score(m) and m.symmetric)
def test_symmetric_where_it_says_so(metric, pair):
    pair = panel_ready(metric, pair)
    agree(metric.compute(turned(pair)), metric.compute(pair))


@over(is_score)
def test_asymmetric_where_it_says_so(metric):
    pair = random_case(3, n=30, error=6.0)
    assert np.allclose(metric.compute(turned(pair)), metric.compute(pair), equal_nan=True) == metric.symmetric


@law(lambda m: m.pred_scale_free, c=st.sampled_from([0.25, 4.0]))
def test_scale_of_the_prediction_is_ignored_where_it_says_so(metric, pair, c):
    pair = panel_ready(metric, pair)
    agree(metric.compute(prediction_scaled(pair, c)), metric.compute(pair))


@over()
def test_scale_of_the_prediction_matters_where_it_says_so(metric):
    pair = random_case(1, n=30, error=6.0)
    value = metric.compute(pair)
    same = [np.allclose(metric.compute(prediction_scaled(pair, c)), value, equal_nan=True) for c in (0.02, 50.0)]
    assert all(same) == metric.pred_scale_free


@law(lambda m: not {"panel", "cells"} & set(m.needs))
def test_genes_that_do_not_count_change_nothing(metric, pair):
    other = replace(
        pair,
        pred=np.where(pair.counted, pair.pred, 99.0),
        true=np.where(pair.counted, pair.true, -77.0),
        noise=np.where(pair.counted, pair.noise, 5.0),
        strength=np.where(pair.counted, pair.strength, 1e6),
        rest=np.where(pair.counted, pair.rest, 1e5),
        lower=np.where(pair.counted, pair.lower, -3.0),
        upper=np.where(pair.counted, pair.upper, 3.0),
        de_real=replace(pair.de_real, significant=pair.de_real.significant | ~pair.counted),
        de_pred=replace(pair.de_pred, p=np.where(pair.counted, pair.de_pred.p, 0.0)),
    )
    agree(metric.compute(other), metric.compute(pair))


@over()
def test_rows_are_scored_alone_unless_they_compete(metric):
    pair = random_case(2)
    alone = np.concatenate([metric.compute(rows_taken(pair, [i])) for i in range(len(pair.true))])
    assert np.allclose(alone, metric.compute(pair), equal_nan=True) == ("panel" not in metric.needs)


@law(lambda m: m.as_rival is not None)
def test_rivals_win_what_scores_lose(metric, pair):
    """The mean score is a mean over pairs, whichever side of the pairs it is summed over."""
    pair = panel_ready(metric, pair)
    agree(metric.as_rival(pair).mean(), metric.compute(pair).mean())


@law(lambda m: m.counts_genes)
def test_more_genes_center_a_ceiling_better_where_it_says_so(metric, pair):
    n = pair.true.shape[1]
    once, twice = metric.compute(pair), metric.compute(genes_taken(pair, np.r_[:n, :n]))
    known = np.isfinite(once) & (np.abs(once) < 1)
    assert (twice[known] != once[known]).all()


@over()
def test_what_it_needs_is_what_it_reads(metric):
    pair = random_case(4)
    value = metric.compute(pair)
    taken_away = {
        "noise": {"noise": None},
        "train_mean": {"train_mean": None},
        "contrast": {"de_real": None, "de_pred": None},
        "rest": {"rest": None},
        "bounds": {"lower": None, "upper": None},
        "cells": {"cells": ()},
        "gene_sets": {"gene_sets": {}},
    }
    assert np.isfinite(value).any()
    for need, nothing in taken_away.items():
        without = metric.compute(replace(pair, **nothing))
        assert np.isnan(without).all() == (need in metric.needs), need
    shuffled = replace(pair, strength=pair.strength[:, ::-1])
    assert np.allclose(metric.compute(shuffled), value, equal_nan=True) == ("strength" not in metric.needs)


@over()
def test_limits_do_not_depend_on_the_prediction(metric):
    pair = random_case(5)
    other = case(pair.pred[::-1], pair.true, noise=pair.noise, train_mean=pair.train_mean)
    same = np.allclose(metric.compute(other), metric.compute(pair), equal_nan=True)
    assert same == (metric.family == "limit")


@over(lambda m: not np.isnan(m.chance))
def test_no_information_scores_chance(metric):
    """Predictions drawn apart from the truth: the mean score is the chance value where the metric has one."""
    rng = np.random.default_rng(0)
    pred, true = rng.normal(size=(2, 150, 200))
    value = metric.compute(case(pred, true, noise=np.ones((150, 200)), train_mean=np.zeros(200)))
    value = value[~np.isnan(value)]
    assert len(value) > 100
    assert abs(value.mean() - metric.chance) < 4 * value.std() / np.sqrt(len(value))
    low, high = sorted((metric.best, metric.worst))
    assert low <= metric.chance <= high
    assert metric.chance != metric.best


@over()
def test_facts_name_what_exists(metric):
    assert metric.ceiling in ("", "best", *METRICS)
    if metric.ceiling in METRICS:
        assert METRICS[metric.ceiling].family == "limit"
    assert metric.higher_is_better == (metric.best > metric.worst)
    assert set(metric.needs) <= set(get_args(Need))
    assert ("panel" in metric.needs) == (metric.as_rival is not None)
    assert metric.denoised in ("", *METRICS)
    assert metric.title
    assert bool(metric.unit) == (metric.degree > 0)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError, match="item assignment"):
        METRICS["mine"] = METRICS["rmse"]
    assert [metric.name for metric in METRICS.values()] == list(METRICS)
    assert set(HEADLINE) <= set(METRICS)
    assert set(ALIASES.values()) <= set(METRICS)
    assert not set(ALIASES) & set(METRICS)


def golden_side(table, side, *, below, every):
    p = table[f"{side}_p"]
    level = below[np.arange(len(p)) % every][:, None]
    return Contrast(change=table[f"{side}_change"], size=1 / p, p=p, significant=p < level)


def golden():
    data = json.loads((GOLDEN / "metrics.json").read_text(encoding="utf-8"))
    table = {name: np.array(value) for name, value in data.items() if name not in ("scores", "cells", "gene_sets")}
    pair = Aligned.of(
        table["pred"],
        table["true"],
        counted=table["counted"],
        noise=table["noise"],
        train_mean=table["train_mean"],
    )
    pair = replace(
        pair,
        strength=table["strength"].astype(float),
        rest=table["rest"],
        lower=table["lower"],
        upper=table["upper"],
        pred_noise=table["pred_noise"],
        allowance=table["allowance"],
        reference_noise=table["reference_noise"],
        level=data["level"],
        de_real=golden_side(table, "real", below=np.array([0.6, 0.25]), every=2),
        de_pred=golden_side(table, "pred", below=np.array([0.65, 0.3, 0.3]), every=3),
        cells=tuple((np.array(x), np.array(y)) for x, y in data["cells"]),
        gene_sets={name: np.array(chosen) for name, chosen in data["gene_sets"].items()},
    )
    return pair, data["scores"]


@over()
def test_golden_values(metric):
    """From scipy, scikit-learn and plain loops: tests/golden/make_metrics.py."""
    pair, scores = golden()
    # The recipe iterates the transport problem to the end, ours stops early.
    tolerance = 1e-3 if metric.name == "sinkhorn_div" else 1e-12
    np.testing.assert_allclose(metric.compute(pair), scores[metric.name], rtol=tolerance, atol=1e-15)


def test_golden_values_tell_all_metrics_apart():
    """No metric can stand in for another without a golden value noticing."""
    _, scores = golden()
    assert set(scores) == set(METRICS)
    for first, second in combinations(scores, 2):
        assert not np.allclose(scores[first], scores[second]), (first, second)
