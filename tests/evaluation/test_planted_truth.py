"""What the table must say where the truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perturbridge.evaluation import compare, headline, score, summarize
from perturbridge.values import ScoreTable


@pytest.fixture
def planted(make_effects, make_prediction):
    """Forty test perturbations: a shared shift, an own effect, cell noise; five models of known quality."""
    rng = np.random.default_rng(0)
    n, n_genes = 100, 300
    truth = 0.25 * rng.normal(size=n_genes) + 0.12 * rng.normal(size=(n, n_genes))
    exact = make_effects(truth, noise=1.0)
    contexts, draw = exact.contexts, rng.normal
    own_error = draw(size=truth.shape) * np.sqrt(exact.variance / exact.n_cells[:, None])
    control_error = draw(size=(2, n_genes)) * np.sqrt(contexts.control_variance / contexts.n_control[:, None])
    effects = replace(exact, delta=truth + own_error - contexts.weights @ control_error)
    train, test = effects.perturbations[:60], effects.perturbations[60:]
    mean = np.tile(effects.delta[:60].mean(axis=0), (40, 1))
    # The truth as the controls of this screen show it, which is all that can be learnt from it.
    oracle = truth[60:] - contexts.weights[:60].mean(axis=0) @ control_error
    own = oracle - mean
    models = {
        "oracle": oracle,
        "ridge": mean + 0.5 * (own + 0.12 * rng.normal(size=own.shape)),
        "mean": mean,
        "no change": np.zeros_like(mean),
        "noise": mean + 0.3 * rng.normal(size=mean.shape),
    }
    return ScoreTable.join(
        [
            score(make_prediction(d, effects=effects, perturbations=test, model=m), effects, train=train)
            for m, d in models.items()
        ]
    )


def test_better_models_stand_higher_in_every_headline_metric(planted):
    frame = headline(planted, baselines=["mean", "no change", "noise"])
    skill = frame.pivot_table(index="model", columns="metric", values="skill", dropna=False)
    for metric in ("rmse_excess", "pearson_delta", "pearson_delta_pert"):
        assert skill.loc["oracle", metric] == pytest.approx(1, abs=0.15)
        assert 0.1 < skill.loc["ridge", metric] < skill.loc["oracle", metric]
        assert (skill.loc[["mean", "no change", "noise"], metric] <= 1e-12).all()
    pds = summarize(planted).set_index(["metric", "model"]).loc["pds_cosine"]["mean"]
    assert pds["oracle"] > pds["ridge"] > 0.75
    assert pds["mean"] == pytest.approx(0.5, abs=1e-12)
    assert pds["no change"] == pytest.approx(0.5, abs=1e-12)
    assert pds["noise"] == pytest.approx(0.5, abs=0.15)


def test_the_mean_beats_noise_on_error_and_is_undefined_against_itself(planted):
    frame = summarize(planted).set_index(["metric", "model"])
    assert frame.loc[("rmse", "mean"), "high"] < frame.loc[("rmse", "noise"), "low"]
    assert frame.loc[("pearson_delta", "mean"), "mean"] > 0.7
    assert frame.loc[("pearson_delta_pert", "mean"), "n_undefined"] == 40
    assert frame.loc[("pearson_delta_pert", "mean"), "mean"] == 0
    assert frame.loc[("pearson_delta", "no change"), "n_undefined"] == 40


def test_the_oracle_sits_on_the_floor_where_raw_error_looks_bad(planted):
    frame = summarize(planted).set_index(["metric", "model"])["mean"]
    assert frame["rmse", "oracle"] == pytest.approx(frame["rmse_floor", "oracle"], rel=0.02)
    assert frame["rmse", "oracle"] > 0.7 * frame["rmse", "mean"]
    assert frame["rmse_excess", "oracle"] < 0.25 * frame["rmse_excess", "mean"]
    assert frame["pearson_delta_pert", "oracle"] == pytest.approx(
        frame["pearson_delta_pert_ceiling", "oracle"], abs=0.02
    )


def test_the_comparison_names_the_winner(planted):
    frame = compare(planted, model="ridge", baselines=["mean", "no change", "noise"]).set_index("metric")
    for metric in ("rmse_excess", "pearson_delta", "pearson_delta_pert", "pds_cosine"):
        assert frame.loc[metric, "low"] > 0
        assert frame.loc[metric, "p_holm"] < 0.01
    assert frame.loc["rmse_excess", "best_baseline"] == "mean"
    assert compare(planted, model="noise", baselines=["mean"]).set_index("metric").loc["rmse_excess", "high"] < 0
