"""EffectModel: what it recovers, what it chooses, what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from perturbridge.effects import EffectModel, ShuffledEmbedding
from perturbridge.effects._design import Design
from perturbridge.effects._problem import Problem
from perturbridge.effects._source_kernel import GeneFeatures, SourceKernel
from perturbridge.errors import DataError, EmbeddingError, FitError
from perturbridge.values import Effects, GeneAliases


def ratio(model, planted, *, noise=0.3, n_train=30):
    """Squared error on genes not trained on, over that of the training mean."""
    train = planted.effects(planted.names[:n_train], noise=noise)
    test = planted.names[n_train:]
    truth = planted.effects(test).delta
    predicted = model.fit(train).predict(test).delta
    return float(((predicted - truth) ** 2).sum() / ((train.delta.mean(0) - truth) ** 2).sum())


def test_recovers_a_planted_linear_map(plant):
    assert ratio(EffectModel(plant(60).source), plant(60), noise=0.0, n_train=40) < 0.01
    assert ratio(EffectModel(plant(60).source), plant(60), noise=0.3, n_train=40) < 0.35


def test_recovers_a_planted_curve_that_a_line_cannot(plant):
    planted = plant(200, n_dims=2)
    unit = planted.source.vectors - planted.source.vectors.mean(0)
    angle = np.arctan2(unit[:, 1], unit[:, 0])
    curved = replace(planted, delta=np.stack([np.sin(3 * angle), np.cos(2 * angle)], axis=1))
    rbf, line = (
        ratio(EffectModel(planted.source, kernel=k), curved, noise=0.1, n_train=150) for k in ("rbf", "linear")
    )
    assert rbf < 0.15
    assert line > 0.7
    model = EffectModel(planted.source)
    assert ratio(model, curved, noise=0.1, n_train=150) == pytest.approx(rbf)
    assert model.report_["sources"][0]["kernel"] == "rbf"


def test_shuffled_embedding_is_the_mean(plant):
    ratios = [
        ratio(ShuffledEmbedding(plant(60, seed=s).source, seed=s), plant(60, seed=s), n_train=40) for s in range(12)
    ]
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)
    assert ratio(EffectModel(plant(60).source), plant(60), n_train=40) < 0.5


def test_effect_without_relation_to_the_embedding_is_shrunk_to_the_mean(plant):
    planted = plant(60)
    pure = replace(planted, delta=np.random.default_rng(3).normal(size=planted.delta.shape))
    model = EffectModel(planted.source)
    assert ratio(model, pure, n_train=50) == pytest.approx(1.0, abs=0.02)
    assert model.report_["loo_r2"] < 0.05


def test_alpha_is_the_exact_leave_one_out_minimum(plant):
    """Refit without each row at every penalty, on the features the model uses."""
    planted = plant(18)
    train = planted.effects(noise=0.5)
    alphas = (0.03, 0.1, 0.3, 1.0, 3.0)
    model = EffectModel(planted.source, kernel="linear", alphas=alphas).fit(train)
    raw = planted.source.vectors.astype(float) - planted.source.vectors.mean(0, dtype=float)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    unit -= unit.mean(0)
    unit /= np.sqrt((unit**2).sum(1).mean())
    errors = []
    for alpha in alphas:
        left = [
            train.delta[i]
            - Ridge(alpha=alpha).fit(np.delete(unit, i, 0), np.delete(train.delta, i, 0)).predict(unit[[i]])[0]
            for i in range(18)
        ]
        errors.append((np.array(left) ** 2).sum())
    assert model.report_["alpha"] == alphas[int(np.argmin(errors))]
    assert 0 < int(np.argmin(errors)) < len(alphas) - 1


def test_left_out_error_with_sources_weights_and_combinations_equals_refits(plant):
    """The design, two kernels, row weights and the counting intercept together, against solving again without each row."""
    one, two = plant(14), plant(14, seed=4)
    names = [*one.names[:9], "P0+P1", "P2+P12", "P3+P4+P13"]
    train = one.effects(names, noise=0.3)
    design = Design.of(train.perturbations)
    weights = np.random.default_rng(0).uniform(0.3, 2, len(names))
    weights /= weights.mean()
    ones = np.ones(len(design.genes))
    kernel = (
        0.4
        * SourceKernel(
            features=GeneFeatures.of(one.source, design.genes, ones), kind="rbf", bandwidth=0.5
        ).anchor_kernel()
    )
    kernel += (
        0.3
        * SourceKernel(
            features=GeneFeatures.of(two.source, design.genes, ones), kind="linear", bandwidth=0.0
        ).anchor_kernel()
    )
    kernel += 0.3 * np.eye(len(design.genes))
    counts = np.array([[gene in p.genes for gene in design.genes] for p in train.perturbations], dtype=float)
    between, v = counts @ kernel @ counts.T, counts.sum(1)
    ridge = Problem(design=design, targets=train.delta, weights=weights).ridge(design.between(kernel))
    for alpha in (0.01, 1.0):
        left = np.empty_like(train.delta)
        for i in range(len(names)):
            k = np.delete(np.arange(len(names)), i)
            system = np.block(
                [[between[np.ix_(k, k)] + alpha * np.diag(1 / weights[k]), v[k, None]], [v[None, k], np.zeros((1, 1))]]
            )
            solved = np.linalg.solve(system, np.vstack([train.delta[k], np.zeros((1, 9))]))
            left[i] = train.delta[i] - between[i, k] @ solved[:-1] - v[i] * solved[-1]
        assert np.abs(ridge.loo_residuals(alpha) - left).max() < 1e-8


def test_a_source_of_noise_takes_no_share_from_a_good_one(plant):
    planted = plant(60)
    alone = ratio(EffectModel(planted.source), planted, n_train=45)
    shares = []
    for seed in range(8):
        rows = np.random.default_rng(seed).permutation(60)
        noise = replace(planted.source, rows=rows, card=replace(planted.source.card, name="noise"))
        model = EffectModel([noise, planted.source])
        assert ratio(model, planted, n_train=45) < alone + 0.05
        shares.append(model.report_["sources"][1]["share"])
    assert min(shares) > 0.7
    assert np.median(shares) == 1.0


def test_two_half_sources_are_joined(plant):
    """Each source knows one part of the effect; together they know more than either."""
    one, two = plant(80, seed=1), plant(80, seed=2)
    both = replace(one, delta=one.delta + two.delta)
    alone = min(ratio(EffectModel(s), both, n_train=60) for s in (one.source, two.source))
    model = EffectModel([one.source, two.source])
    assert ratio(model, both, n_train=60) < 0.6 * alone
    assert all(s["share"] > 0.2 for s in model.report_["sources"])


def test_missing_vectors_are_masked_and_flagged(plant):
    planted, other = plant(40), plant(40, seed=1)
    partial = replace(other.source, genes=other.source.genes[:20], rows=np.arange(20))
    model = EffectModel([planted.source, partial]).fit(
        replace(planted, delta=planted.delta + other.delta).effects(planted.names[:30])
    )
    prediction = model.predict(["P10", "P35", "nowhere"])
    assert prediction.status == ("predicted", "partial_embedding", "no_embedding")
    assert prediction.detail[0] == ""
    assert prediction.detail[1] == "P35 has no vector in planted1"
    assert prediction.detail[2] == "nowhere has no vector in planted0; nowhere has no vector in planted1"
    assert model.report_["sources"][1]["n_with_vector"] == 20
    assert model.report_["sources"][1]["missing"][0] == "P20"


def test_training_rows_without_a_vector_count_for_the_mean(plant):
    planted = plant(40)
    train = planted.effects(planted.names[:20])
    strange = Effects.from_delta(np.full((4, 9), 50.0), perturbations=[f"x{i}" for i in range(4)])
    both = Effects.from_delta(
        np.vstack([train.delta, strange.delta]), perturbations=[*train.perturbations, *strange.perturbations]
    )
    mean = EffectModel(planted.source).fit(both).predict(["nowhere"]).delta[0]
    assert np.allclose(mean, both.delta.mean(0))


def test_a_vector_equal_to_the_centre_is_not_divided_by_zero(plant):
    planted = plant(11)
    vectors = planted.source.vectors.copy()
    vectors[10] = vectors[:10].mean(0)
    model = EffectModel(replace(planted.source, vectors=vectors), kernel="linear").fit(
        planted.effects(planted.names[:10])
    )
    assert np.isfinite(model.predict(["P10"]).delta).all()


def test_equal_vectors_leave_the_mean(plant):
    planted = plant(12)
    flat = replace(planted.source, vectors=np.ones((12, 3), dtype=np.float32))
    train = planted.effects(planted.names[:10])
    prediction = EffectModel(flat).fit(train).predict(["P11"])
    assert np.allclose(prediction.delta[0], train.delta.mean(0))


def test_rows_with_known_noise_weigh_less(plant, with_variance):
    """Rows of few cells carry much noise; weighting by it predicts better than trusting all rows alike."""
    planted = plant(120)
    rng = np.random.default_rng(0)
    n_cells = np.where(np.arange(90) % 2, 400, 10)
    gains = []
    for _ in range(5):
        clean = planted.effects(planted.names[:90])
        noisy = clean.delta + rng.normal(size=clean.delta.shape) * np.sqrt(16.0 / n_cells)[:, None]
        train = with_variance(Effects.from_delta(noisy, perturbations=clean.perturbations), n_cells, variance=16.0)
        plain = Effects.from_delta(noisy, perturbations=clean.perturbations)
        truth = planted.effects(planted.names[90:]).delta
        weighted, equal = (
            ((EffectModel(planted.source).fit(e).predict(planted.names[90:]).delta - truth) ** 2).mean()
            for e in (train, plain)
        )
        gains.append(weighted / equal)
    assert np.mean(gains) < 0.8
    assert EffectModel(planted.source).fit(train).report_["row_weights"] != "equal"


def test_intercept_is_the_weighted_mean(plant, with_variance):
    planted = plant(20)
    train = with_variance(planted.effects(noise=0.1), np.arange(5, 25))
    noise = train.sampling_variance().mean(1)
    spread = train.delta.var(axis=0, ddof=1).mean()
    weights = 1 / (max(spread - noise.mean(), 0.1 * spread) + noise)
    mean = EffectModel(planted.source).fit(train).predict(["nowhere"]).delta[0]
    assert np.allclose(mean, np.average(train.delta, axis=0, weights=weights))


def test_names_are_found_through_aliases(plant):
    planted = plant(20)
    aliases = GeneAliases(approved=frozenset(planted.names), previous={"old": ("P15",)})
    model = EffectModel(replace(planted.source, aliases=aliases)).fit(planted.effects(planted.names[:12]))
    prediction = model.predict(["old", "P15"])
    assert np.array_equal(prediction.delta[0], prediction.delta[1])
    assert prediction.status == ("predicted", "predicted")


def test_no_gene_in_common_says_what_the_names_look_like(plant):
    planted = plant(10)
    other = plant(10, prefix="ENSG").source
    with pytest.raises(
        EmbeddingError,
        match=r"vector for 0 of 10 perturbed genes: they are called 'P0', 'P1', 'P2', its 10 names are like 'ENSG0'",
    ):
        EffectModel([planted.source, replace(other, card=replace(other.card, name="b"))]).fit(planted.effects())


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"kernel": "cubic"}, DataError, "kernel is 'cubic'"),
        ({"alphas": []}, FitError, "alphas holds 0 numbers"),
        ({"alphas": [1.0, -1.0]}, FitError, r"alphas holds 2 numbers, of which 1 .* such as -1.0"),
        ({"bandwidths": [float("inf")]}, FitError, "bandwidths holds 1 numbers, of which 1 .* such as inf"),
    ],
)
def test_bad_settings_are_refused(plant, settings, error, match):
    with pytest.raises(error, match=match):
        EffectModel(plant(5).source, **settings)


def test_sources_need_different_names(plant):
    with pytest.raises(FitError, match="different names, got \\['planted0', 'planted0'\\]"):
        EffectModel([plant(5).source, plant(5).source])
    with pytest.raises(FitError, match="got \\[\\]"):
        EffectModel([])


def test_too_few_rows_are_refused(plant):
    with pytest.raises(FitError, match="got 2 training perturbations and needs at least 3"):
        EffectModel(plant(5).source).fit(plant(5).effects(["P0", "P1"]))


def test_report_is_plain_json_even_for_the_mean_alone(plant):
    planted = plant(6)
    flat = Effects.from_delta(np.zeros((6, 2)), perturbations=planted.names)
    report = EffectModel(planted.source).fit(flat).report_
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["is_mean_only"]
    assert report["shrink"] == 0.0


def test_one_source_may_stand_without_a_list(plant):
    source = plant(5).source
    assert EffectModel(source).sources == EffectModel([source]).sources == (source,)


def test_clone_keeps_every_setting(plant):
    model = EffectModel(plant(5).source, kernel="rbf", alphas=[1.0], bandwidths=[2.0], name="mine", seed=3)
    assert (model.clone()._settings, model.clone().name, model.clone().sources) == (
        model._settings,
        "mine",
        model.sources,
    )


def test_seed_plays_no_part_in_small_problems(plant):
    train = plant(30).effects(noise=0.3)
    a, b = (EffectModel(plant(30).source, seed=s).fit(train).predict(["P1"]).delta for s in (0, 1))
    assert np.array_equal(a, b)
