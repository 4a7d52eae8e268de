from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from perturbridge.errors import DataError
from perturbridge.evaluation import HEADLINE, compare, headline, summarize
from perturbridge.values import ScoreTable


def test_the_best_baseline_is_met_in_the_right_direction(make_table):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, size=(4, 25))
    errors = {"model": 1 + noise[0], "bad": 3 + noise[1], "good": 2 + noise[2], "mid": 2.5 + noise[3]}
    row = compare(make_table(errors, metric="rmse"), model="model").iloc[0]
    assert row["best_baseline"] == "good"
    assert row["difference"] == pytest.approx(np.mean(errors["good"] - errors["model"]), rel=1e-12)
    assert row["low"] > 0
    shapes = make_table(errors, metric="pearson_delta")
    row = compare(shapes, model="model").iloc[0]
    assert row["best_baseline"] == "bad"
    assert row["difference"] == pytest.approx(np.mean(errors["model"] - errors["bad"]), rel=1e-12)
    assert row["high"] < 0
    assert compare(shapes, model="model", baselines=["good", "mid"]).iloc[0]["best_baseline"] == "mid"


def test_numbers_agree_with_scipy_and_with_the_summary(make_table):
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.2, 1, size=(2, 12))
    table = make_table({"model": a, "base": b}, metric="pearson_delta")
    row = compare(table, model="model").iloc[0]
    theirs = stats.permutation_test((a - b,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert row["p"] == pytest.approx(theirs.pvalue, rel=1e-12)
    assert row["p_resolution"] == 2 / 2**12
    assert row["n"] == 12
    means = summarize(table).set_index("model")["mean"]
    assert (row["model_mean"], row["baseline_mean"]) == pytest.approx((means["model"], means["base"]))
    assert row["difference"] == pytest.approx(means["model"] - means["base"])


def test_pairs_are_matched_by_name_and_not_by_place(make_table):
    rng = np.random.default_rng(2)
    x = 10 * rng.normal(size=20)
    names = [f"P{i}" for i in range(20)]
    order = rng.permutation(20)
    table = ScoreTable.join(
        [
            make_table({"model": x + 1}, perturbations=names),
            make_table({"base": x[order]}, perturbations=[names[i] for i in order]),
        ]
    )
    row = compare(table, model="model").iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((-1, -1))


def test_holm_corrects_over_the_headline_alone(make_table):
    rng = np.random.default_rng(3)
    base = rng.normal(size=40)
    parts = [
        make_table({"model": base + shift + rng.normal(0, 1, 40), "base": base}, metric=metric)
        for metric, shift in [
            ("rmse", -2.0),
            ("rmse_excess", -0.5),
            ("pearson_delta", 0.3),
            ("pearson_delta_pert", 0.0),
            ("pds_cosine", 0.4),
        ]
    ]
    frame = compare(ScoreTable.join(parts), model="model").set_index("metric")
    assert np.isnan(frame.loc["rmse", "p_holm"])
    p = frame.loc[list(HEADLINE), "p"].to_numpy()
    expected, running = {}, 0.0
    for step, i in enumerate(np.argsort(p)):
        running = max(running, min(1.0, (4 - step) * p[i]))
        expected[HEADLINE[i]] = running
    assert frame.loc[list(HEADLINE), "p_holm"].to_dict() == pytest.approx(expected)
    assert (frame.loc[list(HEADLINE), "p_holm"] > p).any()


def test_an_undefined_headline_metric_is_no_member_of_the_family(make_table):
    rng = np.random.default_rng(4)
    undefined = np.full(20, np.nan)
    table = ScoreTable.join(
        [
            make_table({"model": undefined, "base": undefined}, metric="rmse_excess"),
            make_table({"model": rng.normal(0.5, 1, 20), "base": rng.normal(size=20)}, metric="pearson_delta"),
        ]
    )
    frame = compare(table, model="model").set_index("metric")
    assert frame.loc["pearson_delta", "p_holm"] == frame.loc["pearson_delta", "p"]
    row = frame.loc["rmse_excess"]
    assert row["best_baseline"] == ""
    assert row[["model_mean", "baseline_mean", "difference", "low", "high", "p", "p_holm", "p_resolution"]].isna().all()
    assert row["n"] == 0


def test_baselines_that_are_undefined_do_not_lend_the_models_own_scores(make_table):
    table = make_table({"base": [np.nan, np.nan], "model": [1.0, 2.0]}, metric="rmse_excess")
    row = compare(table, model="model").iloc[0]
    assert row["best_baseline"] == ""
    assert np.isnan(row["difference"])
    assert np.isnan(row["baseline_mean"])
    assert row["n_undefined"] == 0


def test_an_undefined_baseline_counts_as_chance(make_table):
    table = make_table({"model": [0.3, 0.5, 0.4], "mean": [np.nan] * 3}, metric="pearson_delta_pert")
    row = compare(table, model="model").iloc[0]
    assert row["difference"] == pytest.approx(0.4)
    assert row["n_undefined"] == 3


def test_models_scored_on_other_rows_are_refused(make_table):
    table = ScoreTable.join([make_table({"model": [1.0, 2.0, 3.0]}), make_table({"base": [1.0, 2.0]})])
    with pytest.raises(
        DataError, match="'model' and 'base' were scored differently on 1 perturbations, the first is P2"
    ):
        compare(table, model="model")
    twice = make_table({"base": [1.0, 2.0]}, perturbations=["P0", "P0"], folds=["0", "1"])
    table = ScoreTable.join([make_table({"model": [1.0]}), twice])
    with pytest.raises(DataError, match="scored differently"):
        compare(table, model="model")


def test_unknown_and_missing_names_are_refused(make_table):
    table = make_table({"model": [1.0, 2.0], "base": [1.0, 2.0]})
    with pytest.raises(DataError, match="'modle' is not among the 2 scored models"):
        compare(table, model="modle")
    with pytest.raises(DataError, match="'bas' is not among"):
        compare(table, model="model", baselines=["bas"])
    with pytest.raises(DataError, match="'model' has no baseline but itself"):
        compare(table, model="model", baselines=["model"])
    with pytest.raises(DataError, match="'base' has no baseline but itself"):
        compare(make_table({"base": [1.0, 2.0]}), model="base")
    with pytest.raises(DataError, match="n_resamples is 3"):
        compare(table, model="model", n_resamples=3)


def test_floors_and_ceilings_are_not_compared(make_table):
    table = ScoreTable.join(
        [
            make_table({"model": [1.0, 2.0], "base": [1.0, 3.0]}, metric=m)
            for m in ("rmse", "rmse_floor", "pearson_delta_ceiling")
        ]
    )
    assert compare(table, model="model")["metric"].tolist() == ["rmse"]


def test_no_win_is_claimed_where_there_is_none(make_table):
    """Model and baseline are draws of one distribution: p below .05 about one time in twenty."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        table = make_table({"model": rng.normal(size=15), "base": rng.normal(size=15)}, metric="pearson_delta")
        hits += compare(table, model="model", n_resamples=400).iloc[0]["p"] < 0.05
    assert 2 <= hits <= 21


def test_skill_runs_from_the_best_baseline_to_the_ceiling(make_table):
    rng = np.random.default_rng(6)
    ceiling = rng.uniform(0.7, 0.9, size=30)
    base = rng.uniform(0.1, 0.3, size=30)
    half = (base + ceiling) / 2 + rng.normal(0, 0.02, 30)
    scores = {"half": half, "oracle": ceiling, "base": base, "worse": base - 0.05}
    table = ScoreTable.join(
        [
            make_table(scores, metric="pearson_delta"),
            make_table(dict.fromkeys(scores, ceiling), metric="pearson_delta_ceiling"),
        ]
    )
    frame = headline(table, baselines=["base", "worse"]).set_index("model")
    assert frame["skill"].to_dict() == pytest.approx(
        {"half": 0.5, "oracle": 1, "base": 0, "worse": -0.05 / np.mean(ceiling - base)}, abs=0.02
    )
    row = frame.loc["half"]
    assert row["skill_low"] < 0.5 < row["skill_high"]
    assert row["skill_high"] - row["skill_low"] < 0.1
    assert (frame["best_baseline"] == "base").all()
    assert row["ceiling"] == pytest.approx(ceiling.mean())
    summary = summarize(table).set_index(["model", "metric"]).loc[("half", "pearson_delta")]
    assert row[["mean", "low", "high", "n"]].to_list() == pytest.approx(summary[["mean", "low", "high", "n"]].to_list())


def test_bounds_of_skill_agree_with_scipy(make_table):
    """A ratio of means over skewed rows, where the acceleration matters; scipy takes it from the jackknife."""
    rng = np.random.default_rng(8)
    model, base = 0.3 * rng.lognormal(size=20), 0.5 + rng.lognormal(size=20)
    table = make_table({"model": model, "base": base}, metric="rmse_excess")
    row = headline(table, baselines=["base"], n_resamples=50_000).iloc[0]
    z = stats.t.ppf(0.975, 19) * np.sqrt(20 / 19)
    theirs = stats.bootstrap(
        (model, base),
        lambda m, b, axis=-1: 1 - m.mean(axis=axis) / b.mean(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=50_000,
        confidence_level=2 * stats.norm.cdf(z) - 1,
        method="BCa",
        rng=1,
        batch=5000,
    ).confidence_interval
    assert (row["skill_low"], row["skill_high"]) == pytest.approx(tuple(theirs), abs=0.006)


def test_error_without_noise_can_reach_zero(make_table):
    table = make_table({"model": [0.5, 0.4, 0.6], "base": [1.0, 0.8, 1.2]}, metric="rmse_excess")
    frame = headline(table, baselines=["base"]).set_index("model")
    assert frame.loc["model", "skill"] == pytest.approx(0.5)
    assert frame.loc["base", "skill"] == 0
    assert frame.loc["model", "ceiling"] == 0


def test_skill_is_undefined_without_baseline_ceiling_or_room(make_table):
    table = make_table({"model": [0.5, 0.4], "base": [0.3, 0.2]}, metric="pearson_delta")
    assert headline(table)["skill"].isna().all()
    assert (headline(table)["best_baseline"] == "").all()
    assert headline(table, baselines=["base"])["skill"].isna().all()
    low = ScoreTable.join(
        [table, make_table({"model": [0.1, 0.2], "base": [0.1, 0.2]}, metric="pearson_delta_ceiling")]
    )
    assert headline(low, baselines=["base"])["skill"].isna().all()
    pds = make_table({"model": [0.9, 0.8], "base": [0.5, 0.5]}, metric="pds_cosine")
    assert headline(pds, baselines=["base"])["skill"].isna().all()


def test_skill_has_no_bounds_where_resamples_leave_no_room(make_table):
    ceiling, base = [0.1, 0.9, 0.2, 0.3], [0.3, 0.2, 0.3, 0.3]
    table = ScoreTable.join(
        [
            make_table({"model": [0.2, 0.3, 0.3, 0.3], "base": base}, metric="pearson_delta"),
            make_table({"model": ceiling, "base": ceiling}, metric="pearson_delta_ceiling"),
        ]
    )
    row = headline(table, baselines=["base"]).iloc[0]
    assert np.isfinite(row["skill"])
    assert np.isnan(row["skill_low"])
    assert np.isnan(row["skill_high"])


def test_headline_needs_a_headline_metric_and_known_baselines(make_table):
    with pytest.raises(DataError, match="No headline metric was scored"):
        headline(make_table({"m": [1.0]}, metric="mae"))
    with pytest.raises(DataError, match="'mean' is not among the scored models"):
        headline(make_table({"m": [1.0]}, metric="rmse_excess"), baselines=["mean"])
