from __future__ import annotations

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.evaluation import METRICS, summarize
from perturbridge.values import ScoreTable


def test_mean_interval_and_counts(make_table):
    rng = np.random.default_rng(0)
    x = rng.normal(size=30)
    frame = summarize(make_table({"m": x, "other": x + 1}))
    assert list(frame.columns) == ["model", "metric", "mean", "low", "high", "n", "n_undefined"]
    assert frame["model"].tolist() == ["m", "other"]
    row = frame.iloc[0]
    assert row["mean"] == pytest.approx(x.mean(), rel=1e-12)
    assert row["low"] < x.mean() < row["high"]
    half = 2.045 * x.std(ddof=1) / np.sqrt(30)
    assert row["high"] - row["low"] == pytest.approx(2 * half, rel=0.1)
    assert (row["n"], row["n_undefined"]) == (30, 0)
    np.testing.assert_allclose(
        frame.iloc[1][["mean", "low", "high"]].astype(float) - 1, row[["mean", "low", "high"]].astype(float)
    )


def test_confidence_and_seed_do_what_they_say(make_table):
    table = make_table({"m": np.random.default_rng(0).normal(size=20)})
    wide, narrow = summarize(table, confidence=0.99).iloc[0], summarize(table, confidence=0.8).iloc[0]
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]
    assert summarize(table, seed=1).equals(summarize(table, seed=1))
    assert not summarize(table, seed=1).equals(summarize(table, seed=2))
    assert not summarize(table, n_resamples=200).equals(summarize(table))


def test_undefined_correlations_count_as_chance_and_are_counted(make_table):
    table = make_table({"m": [0.8, np.nan, 0.4, np.nan]}, metric="pearson_delta")
    row = summarize(table).iloc[0]
    assert row["mean"] == pytest.approx(0.3)
    assert (row["n"], row["n_undefined"]) == (4, 2)
    row = summarize(make_table({"m": [1.0, np.nan]}, metric="pds_cosine")).iloc[0]
    assert row["mean"] == pytest.approx(0.75)


def test_undefined_errors_are_left_out_and_counted(make_table):
    row = summarize(make_table({"m": [0.8, np.nan, 0.4, np.nan]}, metric="rmse_excess")).iloc[0]
    assert row["mean"] == pytest.approx(0.6)
    assert (row["n"], row["n_undefined"]) == (2, 2)
    nothing = summarize(make_table({"m": [np.nan, np.nan]}, metric="rmse_excess")).iloc[0]
    assert nothing[["mean", "low", "high"]].isna().all()
    assert (nothing["n"], nothing["n_undefined"]) == (0, 2)


def test_repeats_of_a_perturbation_stay_together(make_table):
    """Ten copies of the same perturbations in ten folds are no more evidence than one."""
    x = np.random.default_rng(1).normal(size=15)
    once = summarize(make_table({"m": x}))
    names = [f"P{i}" for i in range(15)]
    tenfold = make_table({"m": np.tile(x, 10)}, perturbations=names * 10, folds=[str(i // 15) for i in range(150)])
    np.testing.assert_allclose(summarize(tenfold).iloc[0, 2:6].astype(float), once.iloc[0, 2:6].astype(float))


def test_a_perturbation_counts_once_however_often_it_was_scored(make_table):
    table = make_table({"m": [1.0, 3.0, 5.0]}, perturbations=["A", "A", "B"], folds=["0", "1", "0"])
    row = summarize(table).iloc[0]
    assert row["mean"] == pytest.approx(3.5)
    assert row["n"] == 2


def test_by_stratum_fold_and_status(make_table):
    table = make_table({"m": [1.0, 2.0, 3.0, 4.0]}, strata=["0 seen", "1 seen", "0 seen", "1 seen"], folds=list("xxyy"))
    frame = summarize(table, by="stratum")
    assert list(frame.columns)[:3] == ["model", "stratum", "metric"]
    assert dict(zip(frame["stratum"], frame["mean"], strict=True)) == {"0 seen": 2.0, "1 seen": 3.0}
    assert summarize(table, by="fold").set_index("fold")["mean"].to_dict() == {"x": 1.5, "y": 3.5}
    assert summarize(table, by="status")["status"].tolist() == ["predicted"]
    with pytest.raises(DataError, match="by is 'gene'"):
        summarize(table, by="gene")


def test_metrics_stand_in_the_order_of_the_table(make_table):
    table = ScoreTable.join([make_table({"m": [1.0, 2.0]}, metric=name) for name in reversed(METRICS)])
    assert summarize(table)["metric"].tolist() == list(METRICS)


def test_a_single_perturbation_has_no_interval(make_table):
    row = summarize(make_table({"m": [1.0]})).iloc[0]
    assert row["mean"] == 1
    assert row[["low", "high"]].isna().all()


def test_bad_tables_and_settings_are_refused(make_table):
    table = make_table({"m": [1.0, 2.0]})
    with pytest.raises(DataError, match=r"2 scores stand twice, the first is rmse of m for P0 in fold '0'"):
        summarize(ScoreTable.join([table, table]))
    with pytest.raises(DataError, match="'my_metric' is not a metric"):
        summarize(make_table({"m": [1.0]}, metric="my_metric"))
    with pytest.raises(DataError, match="score table is empty"):
        summarize(make_table({"m": []}))
    for settings in ({"confidence": 95}, {"confidence": 1.0}, {"n_resamples": 10}):
        with pytest.raises(DataError, match="n_resamples is"):
            summarize(table, **settings)


def test_models_and_perturbations_may_have_hostile_names(make_table):
    names = ["=cmd()", "<script>", "nan", "NA", "A,B"]
    frame = summarize(make_table({"nan": [1.0, 2, 3, 4, 5], "": [1.0, 2, 3, 4, 6]}, perturbations=names))
    assert frame["model"].tolist() == ["nan", ""]
    assert frame["n"].tolist() == [5, 5]
