"""Do the intervals hold, and are ceilings and skill where the truth says: small forms of `python -m tests.benchmarks ceilings`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom
from tests.benchmarks._ceilings import covered, near_oracle, no_effect

from perturbridge.evaluation import HEADLINE, summarize
from perturbridge.values import ScoreTable


def fewest(n, *, share):
    """Hits that an interval of this coverage falls short of once in 2,000 times."""
    return int(binom.ppf(1 / 2000, n, share))


@pytest.mark.slow
def test_intervals_of_the_headline_cover_the_truth():
    """500 screens in the full form."""
    rows = covered(48)
    assert [row["coverage of 95 % interval"] for row in rows] == list(HEADLINE)
    for row in rows:
        assert round(row["covered"] * 48) >= fewest(48, share=0.95), row


def rivals(seed, n=24):
    """Scores of a panel whose perturbations differ as competitors alone: row i loses to j with a chance that is j's."""
    rng = np.random.default_rng(seed)
    beaten = rng.random((n, n)) < rng.random(n)
    np.fill_diagonal(beaten, 0)
    text = np.full(n, "m")
    return ScoreTable(
        model=text,
        fold=text,
        perturbation=np.array([f"P{i}" for i in range(n)]),
        stratum=text,
        metric=np.full(n, "pds_cosine"),
        status=text,
        value=1 - beaten.sum(axis=1) / (n - 1),
        n_cells=np.full(n, 10),
        as_rival=1 - beaten.sum(axis=0) / (n - 1),
    )


def test_an_interval_knows_what_perturbations_do_to_each_other():
    def hits(tables):
        rows = [summarize(table, n_resamples=300).iloc[0] for table in tables]
        return sum(row["low"] <= 0.5 <= row["high"] for row in rows)

    tables = [rivals(seed) for seed in range(80)]
    assert hits(tables) >= fewest(80, share=0.93)
    alone = [replace(table, as_rival=np.full(len(table.value), np.nan)) for table in tables]
    assert hits(alone) < 60


def test_every_panel_is_centered_on_its_own_rivals():
    """Two folds of different difficulty: what rivals add is above their own panel's mean, and no mean moves."""
    first, second = rivals(0), rivals(1)
    second = replace(
        second,
        fold=np.full(24, "other"),
        perturbation=np.array([f"Q{i}" for i in range(24)]),
        as_rival=second.as_rival + 5.0,
    )
    raised = summarize(ScoreTable.join([first, second])).iloc[0]
    plain = summarize(ScoreTable.join([first, replace(second, as_rival=second.as_rival - 5.0)])).iloc[0]
    names = ["mean", "low", "high"]
    np.testing.assert_allclose(raised[names].astype(float), plain[names].astype(float), rtol=1e-9)
    assert plain["mean"] == pytest.approx(np.mean([*first.value, *second.value]))


@pytest.mark.slow
def test_without_effects_every_ceiling_is_chance():
    """50 screens in the full form."""
    rows = no_effect(12)
    names = {row["no effect, ceiling of"] for row in rows}
    assert {*HEADLINE[1:], "pearson_delta_pert_top50", "pearson_delta_top20", "de_auroc", "rank_rmse"} <= names
    for row in rows:
        assert abs(row["ceiling"] - row["chance"]) <= 3.2 * row["standard error"] + 1e-12, row


@pytest.mark.slow
def test_skill_ranks_an_oracle_of_few_cells_first_where_raw_error_ranks_it_last():
    found = {(row["near-oracle, model"], row["metric"]): row for row in near_oracle(2)}
    for metric in HEADLINE:
        skill = [found[model, metric]["skill"] for model in ("oracle", "ridge", "mean")]
        assert skill[0] > skill[1] + 0.1, metric
        assert skill[1] > skill[2] == 0, metric
    raw = [found[model, "rmse"]["mean"] for model in ("oracle", "ridge", "mean")]
    assert raw[0] > raw[2] > raw[1]
