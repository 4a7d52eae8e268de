"""The parts of `EffectModel` beyond one kernel: groups, target gene, interactions, intervals, support, explanations, leakage."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from sklearn.base import clone

from perturbridge.effects import EffectModel, TrainingResponses, coexpression_embedding, response_embedding
from perturbridge.effects._design import Design
from perturbridge.effects._interactions import choose_interactions, interaction_kernels
from perturbridge.effects._intervals import LEVELS, Radii, stratum_of
from perturbridge.effects._problem import Problem, find_groups, shorten_targets
from perturbridge.effects._search import try_kernel
from perturbridge.effects._settings import PARTS
from perturbridge.effects._shrinkage import leading_directions
from perturbridge.effects._source_kernel import GeneFeatures
from perturbridge.effects._support import nearest_distance, reach_of
from perturbridge.effects._target_gene import fit_target_gene, hide_targets
from perturbridge.errors import DataError, FitError, LeakageError
from perturbridge.values import Effects, PerturbationName, as_names


def screen_with_targets(plant, *, fold=0.2, n=40, noise=0.1):
    """Effects whose measured genes are the perturbed ones, each knocked down to `fold` of its expression."""
    planted = plant(n, n_genes=n)
    rng = np.random.default_rng(0)
    control = rng.uniform(0.5, 3.0, n)
    delta = 0.3 * planted.delta + noise * rng.normal(size=(n, n))
    delta[np.arange(n), np.arange(n)] = np.log1p(fold * np.expm1(control)) - control
    effects = Effects.from_delta(delta, perturbations=planted.names, genes=planted.names)
    return planted.source, replace(effects, control_mean=control)


# Groups


def test_two_names_of_one_vector_leave_together(plant):
    planted = plant(20)
    source = replace(planted.source, genes=(*planted.names, "twin"), rows=np.append(np.arange(20), 3))
    train = Effects.from_delta(np.vstack([planted.delta, planted.delta[3]]), perturbations=[*planted.names, "twin"])
    assert EffectModel(source).fit(train).report_["n_left_out_together"] == 2
    assert EffectModel(source, without=("groups",)).fit(train).report_["n_left_out_together"] == 0


def test_labelled_genes_leave_together_and_stop_an_illusion(plant):
    """Each gene occurs twice with the same pure noise and nearly the same vector: alone, left-out rows look predictable."""
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.normal(size=(20, 6)), 2, axis=0) + 0.01 * rng.normal(size=(40, 6))
    source = replace(plant(40).source, vectors=vectors.astype(np.float32))
    noise = np.repeat(rng.normal(size=(20, 9)), 2, axis=0)
    train = Effects.from_delta(noise, perturbations=plant(40).names)
    labels = {f"P{i}": str(i // 2) for i in range(40)}
    alone, together = (EffectModel(source, groups=g).fit(train).report_ for g in (None, labels))
    assert alone["loo_r2"] > 0.8
    assert together["loo_r2"] < 0.1
    assert together["n_left_out_together"] == 40


def test_groups_of_combinations_go_by_the_labels_of_their_genes():
    design = Design.of(as_names(["A+B", "A2+B", "A+C", "A", "A2"]))
    groups = find_groups(design, {"A2": "A"})
    assert [g.tolist() for g in groups] == [[0, 1], [3, 4]]


def test_gram_of_the_targets_is_all_the_search_needs(plant):
    planted = plant(15, n_genes=400)
    problem = Problem(design=Design.of(as_names(planted.names)), targets=planted.delta, weights=None)
    short = shorten_targets(problem, 256, rng=np.random.default_rng(0))
    assert short.targets.shape == (15, 15)
    assert np.allclose(short.targets @ short.targets.T, planted.delta @ planted.delta.T)
    kernel = planted.source.vectors @ planted.source.vectors.T
    long, fast = (try_kernel(p, kernel.astype(float), (0.1, 1.0, 10.0)) for p in (problem, short))
    assert long.alpha == fast.alpha
    assert np.allclose(long.errors, fast.errors)


# The targeted gene


def test_targets_are_hidden_from_the_embedding_model(plant):
    _, effects = screen_with_targets(plant)
    hidden = hide_targets(effects)
    off = ~np.eye(40, dtype=bool)
    assert np.array_equal(hidden[off], effects.delta[off])
    for j in range(40):
        assert hidden[j, j] == pytest.approx(np.delete(effects.delta[:, j], j).mean())


@pytest.mark.parametrize(("fold", "modality"), [(0.2, "auto"), (0.2, "crispri"), (3.0, "crispra"), (3.0, "ko")])
def test_fold_of_the_target_is_recovered_and_predicted(plant, fold, modality):
    source, effects = screen_with_targets(plant, fold=fold)
    train = effects.take(effects.perturbations[:30])
    model = EffectModel(source, modality=modality).fit(train)
    assert model.report_["target_gene"]["kind"] == "fold"
    assert model.report_["target_gene"]["value"] == pytest.approx(fold, rel=0.05)
    prediction = model.predict(["P35"])
    assert prediction.delta[0, 35] == pytest.approx(effects.delta[35, 35], abs=0.05)
    assert prediction.lower[0, 35] <= prediction.delta[0, 35] <= prediction.upper[0, 35]
    without = EffectModel(source, modality=modality, without=("target_gene",)).fit(train).predict(["P35"])
    assert abs(without.delta[0, 35] - effects.delta[35, 35]) > 0.5


def test_modality_bounds_the_fold(plant):
    _, effects = screen_with_targets(plant, fold=3.0)
    far = np.zeros(effects.delta.shape)
    assert fit_target_gene(effects, far, modality="crispri").kind == "none"
    assert fit_target_gene(effects, far, modality="crispra").value == pytest.approx(3.0, rel=0.05)
    assert fit_target_gene(effects, far, modality=None).kind == "none"


def test_target_without_controls_is_shifted_and_one_well_predicted_is_left_alone(plant):
    _, effects = screen_with_targets(plant)
    blind = replace(effects, control_mean=np.zeros(40))
    found = fit_target_gene(blind, np.zeros((40, 40)), modality="auto")
    assert (found.kind, found.value) == ("shift", pytest.approx(np.median(np.diag(effects.delta))))
    assert fit_target_gene(effects, np.array(effects.delta), modality="auto").kind == "none"


def test_a_pair_has_the_targets_as_measured_alone(plant):
    source, effects = screen_with_targets(plant)
    delta = np.array(effects.delta)
    delta[0, 0] = -7.0
    train = replace(effects, delta=delta).take(effects.perturbations[:30])
    prediction = EffectModel(source).fit(train).predict(["P0+P35", "P0"])
    assert prediction.delta[0, 0] == -7.0
    assert prediction.delta[1, 0] > -5.0


# Interactions


def brute(kind, left, right, kappa):
    p, q = left.genes, right.genes
    if len(p) < 2 or len(q) < 2:
        return 0.0
    if kind == "common":
        return float((len(p) - 1) * (len(q) - 1))
    if kind == "genes":
        return float(len(set(p) & set(q)))
    return sum(
        kappa(a, c) * kappa(b, d) + kappa(a, d) * kappa(b, c)
        for a, b in combinations(p, 2)
        for c, d in combinations(q, 2)
    )


def test_interaction_kernels_equal_their_sums_and_are_kernels():
    left, right = (
        Design.of(as_names(names)) for names in (["A", "A+B", "B+C+D", "C+E"], ["A+B", "B", "A+C", "B+C+D", "E+F"])
    )
    genes = sorted({*left.genes, *right.genes})
    x = np.random.default_rng(0).normal(size=(len(genes), 4))
    full = x @ x.T
    at = {gene: i for i, gene in enumerate(genes)}
    similar = full[np.ix_([at[g] for g in left.genes], [at[g] for g in right.genes])]

    def kappa(a, c):
        return 0.5 * (full[at[a], at[c]] + (a == c))

    for kind, kernel in interaction_kernels(left, right, similar).items():
        wanted = [[brute(kind, p, q, kappa) for q in right.perturbations] for p in left.perturbations]
        assert np.allclose(kernel, wanted), kind
    own = full[np.ix_([at[g] for g in right.genes], [at[g] for g in right.genes])]
    for kernel in interaction_kernels(right, right, own).values():
        assert np.linalg.eigvalsh(kernel).min() > -1e-9


def interacting(plant, *, size):
    """Singles and pairs of 16 genes; each pair has `size` times a profile that all pairs share beyond the sum."""
    planted = plant(16)
    own = replace(planted, delta=np.random.default_rng(1).normal(size=planted.delta.shape))
    pairs = [f"{a}+{b}" for a, b in combinations(planted.names, 2)]
    effects = own.effects([*planted.names, *pairs], noise=0.2)
    common = np.random.default_rng(2).normal(size=9)
    extra = np.array([0.0 if name.is_single else size for name in effects.perturbations])
    return (
        planted.source,
        Effects.from_delta(effects.delta + extra[:, None] * common, perturbations=effects.perturbations),
        common,
    )


def test_an_interaction_is_found_predicted_and_has_an_interval(plant):
    source, effects, common = interacting(plant, size=2.0)
    held = [p for p in effects.perturbations if not p.is_single][::4]
    train = effects.take([p for p in effects.perturbations if p not in held])
    model = EffectModel(source).fit(train)
    assert sum(model.report_["interactions"].values()) > 0
    truth = effects.take(held).delta
    off = (model.predict(held).delta - truth) ** 2
    plain = (EffectModel(source, without="interactions").fit(train).predict(held).delta - truth) ** 2
    assert off.sum() < 0.9 * plain.sum()
    found = model.genetic_interaction(held)
    assert np.abs(found.delta - 2.0 * common).mean() < 0.35
    inside = (found.lower <= 2.0 * common) & (2.0 * common <= found.upper)
    assert inside.mean() > 0.9
    single = {p.genes[0]: effects.delta[i] for i, p in enumerate(effects.perturbations) if p.is_single}
    measured = truth - np.array([sum(single[g] for g in p.genes) for p in held])
    assert 0.8 < ((found.lower <= measured) & (measured <= found.upper)).mean() < 0.97


def test_left_out_interactions_equal_refits(plant):
    source, effects, _ = interacting(plant, size=2.0)
    from perturbridge.effects import _fitting

    kept = {}
    original = _fitting.solve

    def spy(problem, *args, **kwargs):
        kept["problem"], kept["solved"] = problem, original(problem, *args, **kwargs)
        return kept["solved"]

    _fitting.solve = spy
    try:
        EffectModel(source, without=("shrinkage", "groups")).fit(effects)
    finally:
        _fitting.solve = original
    problem, solved = kept["problem"], kept["solved"]
    kernel = (solved.ridge.basis * solved.ridge.spectrum) @ solved.ridge.basis.T
    n, row = len(effects.perturbations), 40
    keep = np.delete(np.arange(n), row)
    v = problem.design.n_genes_each
    system = np.zeros((n, n))
    system[:-1, :-1] = kernel[np.ix_(keep, keep)] + solved.penalty * np.eye(n - 1)
    system[:-1, -1] = system[-1, :-1] = v[keep]
    # The centred kernel differs from K by terms in v, which the intercept takes up; coefficients are the same.
    c = np.linalg.solve(system, np.vstack([problem.targets[keep], np.zeros((1, 9))]))[:-1]
    wanted = solved.interaction_kernel[row, keep] @ c
    assert np.allclose(solved.interaction_left_out(row), wanted, atol=1e-7)


def test_pure_sums_call_for_no_interaction(plant):
    source, effects, _ = interacting(plant, size=0.0)
    model = EffectModel(source).fit(effects)
    assert np.abs(model.genetic_interaction(["P0+P1"]).delta).max() < 0.1
    assert "interactions    none" in model.summary() or sum(model.report_["interactions"].values()) < 0.05


def test_interaction_needs_a_kernel_on_combinations(plant):
    planted = plant(10)
    problem = Problem(design=Design.of(as_names(planted.names)), targets=planted.delta, weights=None)
    start = try_kernel(problem, np.eye(10), (1.0,))
    best, shares = choose_interactions(problem, start, {"common": np.zeros((10, 10))}, alphas=(1.0,))
    assert best is start
    assert shares == {"common": 0.0}


def test_a_single_has_no_genetic_interaction(plant):
    model = EffectModel(plant(10).source).fit(plant(10).effects())
    with pytest.raises(FitError, match=r"1 of 2 perturbations are of one gene, the first is 'P0'"):
        model.genetic_interaction(["P0", "P1+P2"])
    assert not model.genetic_interaction(["P1+P2"]).delta.any()


# Intervals


def test_radii_are_the_stated_order_statistics():
    residuals = np.random.default_rng(0).normal(size=(40, 3))
    radii = Radii.of(residuals)
    assert radii.levels == (0.5, 0.8, 0.9, 0.95)
    assert np.array_equal(radii.at(0.9, whole_profile=False), np.sort(np.abs(residuals), axis=0)[36])
    assert radii.at(0.99, whole_profile=False) is None
    with pytest.raises(FitError, match=r"level 0.85 were not kept. Use one of 0.5, 0.8, 0.9"):
        radii.at(0.85, whole_profile=False)
    assert Radii.of(residuals[:8]).levels == (0.5, 0.8)
    assert Radii.of(residuals[:0]).levels == ()


def test_whole_profile_bands_hold_whole_profiles():
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(60):
        radii = Radii.of(rng.normal(size=(50, 20)) * np.arange(1, 21))
        new = rng.normal(size=(40, 20)) * np.arange(1, 21)
        hits.append((np.abs(new) <= radii.at(0.9, whole_profile=True)).all(axis=1).mean())
    assert np.mean(hits) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("noise", [0.1, 1.0, 5.0])
def test_intervals_cover_held_out_rows(plant, noise):
    """Eight screens of each noise; 60 training and 60 test rows, 9 genes."""
    inside = []
    for seed in range(8):
        planted = plant(120, seed=seed)
        both = planted.effects(noise=noise, seed=seed)
        model = EffectModel(planted.source).fit(both.take(both.perturbations[:60]))
        test = both.take(both.perturbations[60:])
        found = model.predict(test.perturbations)
        inside.append(((found.lower <= test.delta) & (test.delta <= found.upper)).mean())
    assert 0.87 < np.mean(inside) < 0.93


def test_levels_are_nested_and_too_few_rows_have_none(plant):
    planted = plant(130)
    model = EffectModel(planted.source).fit(planted.effects(planted.names[:110], noise=0.5))
    widths = [(p.upper - p.lower).mean() for p in (model.predict(["P120"], level=level) for level in LEVELS)]
    assert widths == sorted(widths)
    band = model.predict(["P120"], band="profile")
    assert (band.upper - band.lower).mean() > widths[2]
    with pytest.raises(DataError, match="band is 'row'"):
        model.predict(["P120"], band="row")
    few = EffectModel(planted.source).fit(planted.effects(planted.names[:7]))
    assert few.predict(["P20"]).lower is None
    assert "80 %" in few.summary()


def test_kinds_of_row_go_by_what_is_new():
    names = {
        "A": "single, gene seen in combinations",
        "X": "single, gene new",
        "A+B": "combination, all genes seen",
        "A+X": "combination, some genes new",
        "X+Y": "combination, all genes new",
    }
    for name, kind in names.items():
        assert stratum_of(PerturbationName.parse(name), {"A", "B"}) == kind


def test_new_genes_have_wider_intervals_than_known_ones(plant):
    planted = plant(30)
    own = replace(planted, delta=np.random.default_rng(0).normal(size=planted.delta.shape))
    pairs = [f"{a}+{b}" for a, b in combinations(planted.names[:15], 2)]
    model = EffectModel(planted.source).fit(own.effects([*planted.names[:15], *pairs], noise=0.1))
    found = model.predict(["P0+P1", "P0+P20", "P20+P21"])
    known, half, new = (found.upper - found.lower).mean(axis=1)
    assert known < 0.5 * half < 0.5 * new


# Support


def test_genes_far_from_all_training_genes_are_flagged(plant):
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.normal(size=(10, 30)), 6, axis=0) + 0.1 * rng.normal(size=(60, 30))
    source = replace(plant(60).source, vectors=np.vstack([vectors, rng.normal(size=(1, 30))]).astype(np.float32))
    source = replace(source, genes=(*source.genes, "odd"), rows=np.arange(61))
    model = EffectModel(source).fit(plant(60).effects(plant(60).names[:50]))
    found = model.predict(["odd", "P55", "odd+P0"])
    assert found.status[0] == found.status[2] == "out_of_support"
    assert "odd is far from every training gene in planted0 (cosine distance" in found.detail[0]
    assert model.predict(["P45"]).status == ("predicted",)


def test_reach_is_the_quantile_of_nearest_distances(plant):
    source = plant(40).source
    features = GeneFeatures.of(source, plant(40).names, np.ones(40))
    unit = features.anchors
    cosine = unit @ unit.T - 2 * np.eye(40)
    assert reach_of(features) == pytest.approx(np.quantile(1 - cosine.max(1), 0.99, method="higher"))
    assert nearest_distance(features, np.array([-1, 3])).tolist() == [np.inf, pytest.approx(0.0, abs=1e-12)]
    assert reach_of(GeneFeatures.of(source, plant(40).names[:18], np.ones(18))) == np.inf


# Explanations


def test_shares_add_up_and_the_nearest_gene_comes_first(plant):
    one, two = plant(60, seed=1), plant(60, seed=2)
    train = replace(one, delta=one.delta + two.delta).effects(one.names[:50])
    model = EffectModel([one.source, two.source]).fit(train)
    found = model.explain("P55", top=500)
    assert sum(row["share"] for row in found.sources) == pytest.approx(1.0)
    assert sum(row["share"] for row in found.neighbors) == pytest.approx(1.0)
    assert [abs(row["kernel"]) for row in found.neighbors] == sorted(
        (abs(r["kernel"]) for r in found.neighbors), reverse=True
    )
    assert {row["source"] for row in found.sources} == {"planted1", "planted2"}
    assert json.loads(json.dumps(found.as_json())) == found.as_json()
    assert list(found.table("up").columns) == ["gene", "delta", "lower", "upper", "is_target"]
    assert (len(found.up) + len(found.down)) == 9
    assert found.up[0]["delta"] == pytest.approx(model.predict(["P55"]).delta.max())


def test_explanation_of_the_unknown_says_so(plant):
    model = EffectModel(plant(20).source).fit(plant(20).effects())
    found = model.explain("nowhere")
    assert (found.status, found.deviation, found.neighbors) == ("no_embedding", 0.0, ())
    assert all(row["share"] == 0 for row in found.sources)


def test_explanation_of_a_pair_names_own_effects_and_interaction(plant):
    source, effects, _ = interacting(plant, size=2.0)
    found = EffectModel(source).fit(effects).explain("P0+P1")
    assert found.in_training
    assert {"own effects of its genes", "interaction"} <= {row["source"] for row in found.sources}
    assert sum(row["share"] for row in found.sources) == pytest.approx(1.0)


def test_summary_names_every_choice(plant):
    model = EffectModel(plant(40).source).fit(plant(40).effects(noise=0.3))
    text = model.summary()
    for word in (
        "perturbridge: 40 training perturbations",
        "left-out R2",
        "planted0: share 1.000",
        "target gene",
        "row weights",
        "intervals",
    ):
        assert word in text
    with pytest.raises(FitError, match="before it has learnt"):
        EffectModel(plant(40).source).summary()


def test_an_explanation_reads_as_text(plant):
    planted = plant(40)
    model = EffectModel(planted.source).fit(planted.effects(planted.names[:30], noise=0.1))
    found = model.explain("P35", top=2)
    text = str(found)
    assert text.splitlines()[0].startswith("P35: predicted, ")
    for row in (*found.neighbors, *found.up, *found.down):
        assert row["gene"] in text
    assert "by source       planted0 +1.00" in text
    unknown = str(model.explain("nobody"))
    assert "no_embedding (nobody has no vector in planted0), 0 from the mean effect" in unknown
    assert "by source" not in unknown


@pytest.mark.parametrize("level", [0.0, 1e-3, 7.3])
def test_rows_that_are_all_alike_are_the_mean_and_nothing_is_claimed(plant, level):
    for seed in range(6):
        row = level * np.random.default_rng(seed).normal(size=5)
        train = Effects.from_delta(np.tile(row, (9, 1)), perturbations=plant(12).names[:9])
        model = EffectModel(plant(12, seed=seed).source).fit(train)
        assert model.report_["is_mean_only"]
        assert model.report_["loo_r2"] == 0.0
        assert np.allclose(model.predict(["P11"]).delta, row, rtol=0, atol=1e-12)


# Sources from measurements, and leakage


def test_responses_of_this_screen_are_refused_and_of_another_declared(plant):
    planted = plant(40)
    effects = replace(planted.effects(noise=0.1), fingerprint="abc")
    leaking = response_embedding(effects, name="same")
    train = effects.take(effects.perturbations[:30])
    with pytest.raises(LeakageError, match="'same' was computed from the responses of this very screen"):
        EffectModel([planted.source, leaking]).fit(train)
    honest = response_embedding(train, name="train_only", split_hash="h")
    assert (
        EffectModel([planted.source, honest]).fit(train, split_hash="h").report_["sources"][1]["leakage"]["level"] == ""
    )
    with pytest.raises(LeakageError):
        EffectModel(honest).fit(train, split_hash="another")
    other = response_embedding(replace(effects, fingerprint="xyz"), name="rpe1")
    model = EffectModel([planted.source, other]).fit(train)
    assert model.name == "perturbridge (L2)"
    assert model.clone().name == model.name == model.predict(["P35"]).model
    assert model.report_["sources"][1]["leakage"]["level"] == "L2"
    assert "L2 computed from responses in another screen (xyz)" in model.summary()


def test_date_of_a_source_is_declared(plant):
    source = plant(20).source
    dated = replace(source, card=replace(source.card, date="2024-03"))
    report = EffectModel(dated).fit(plant(20).effects(noise=0.5)).report_
    assert report["sources"][0]["leakage"] == {"level": "L3", "reason": "knowledge of 2024-03"}


def modules(seed=0, *, n=60, n_genes=80, noise=0.3):
    """Genes in 8 modules: members act alike when perturbed, and answer alike to perturbations."""
    rng = np.random.default_rng(seed)
    member = np.arange(n_genes) % 8
    between = rng.normal(size=(8, 8))
    delta = between[member[:n]][:, member] + noise * rng.normal(size=(n, n_genes))
    genes = tuple(f"G{i}" for i in range(n_genes))
    return Effects.from_delta(delta, perturbations=genes[:n], genes=genes)


def test_training_responses_predict_modules_and_nothing_from_noise():
    effects = modules()
    train, test = effects.take(effects.perturbations[:45]), effects.take(effects.perturbations[45:])
    model = EffectModel(TrainingResponses()).fit(train)
    off = ((model.predict(test.perturbations).delta - test.delta) ** 2).sum()
    assert off < 0.4 * ((train.delta.mean(0) - test.delta) ** 2).sum()
    assert model.report_["sources"][0]["leakage"]["reason"] == "computed inside the fit from training rows"
    promised = []
    for seed in range(8):
        noise = Effects.from_delta(
            np.random.default_rng(seed).normal(size=(60, 80)), perturbations=effects.perturbations, genes=effects.genes
        )
        promised.append(EffectModel(TrainingResponses()).fit(noise).report_["loo_r2"])
    assert np.mean(promised) < 0.02


def test_a_source_made_in_the_fit_is_made_again_by_a_loaded_copy(tmp_path):
    effects = replace(modules(), fingerprint="abc")
    model = EffectModel(TrainingResponses(16)).fit(effects)
    model.save(tmp_path)
    loaded = EffectModel.load(tmp_path)
    assert np.array_equal(loaded.predict(["G70"]).delta, model.predict(["G70"]).delta)
    train = effects.take(effects.perturbations[:40])
    again, first = (m.clone().fit(train).predict(["G70"]).delta for m in (loaded, model))
    assert np.array_equal(again, first)
    with pytest.raises(FitError, match="n_dims is 0"):
        TrainingResponses(0)


def test_coexpression_of_control_cells_knows_modules():
    rng = np.random.default_rng(0)
    genes = tuple(f"G{i}" for i in range(80))
    cells = rng.normal(size=(300, 8))[:, np.arange(80) % 8] + 0.5 * rng.normal(size=(300, 80))
    source = coexpression_embedding(cells, genes)
    effects = modules()
    train, test = effects.take(effects.perturbations[:45]), effects.take(effects.perturbations[45:])
    off = ((EffectModel(source).fit(train).predict(test.perturbations).delta - test.delta) ** 2).sum()
    assert off < 0.4 * ((train.delta.mean(0) - test.delta) ** 2).sum()
    with pytest.raises(DataError, match=r"shape \(2, 80\) for 80 genes"):
        coexpression_embedding(cells[:2], genes)
    with pytest.raises(DataError, match="None of the 80 genes varies"):
        coexpression_embedding(np.ones((5, 80)), genes)


def test_response_embedding_needs_singles(plant):
    with pytest.raises(DataError, match="None of the 1 perturbations of 'x' is of a single gene"):
        response_embedding(plant(10).effects(["P0+P1"]), name="x")


# Settings and small problems


def test_principal_directions_are_those_of_the_svd():
    rows = np.random.default_rng(0).normal(size=(12, 30))
    found = leading_directions(rows, 5)
    _, _, wanted = np.linalg.svd(rows, full_matrices=False)
    assert np.allclose(np.abs(np.einsum("ij,ij->i", found[::-1], wanted[:5])), 1.0)
    assert leading_directions(np.zeros((3, 4)), 2).shape == (0, 4)


def test_directions_get_factors_of_their_own_only_where_rows_agree(plant):
    """Half of the targets follow the embedding, the other half something no embedding knows."""
    planted = plant(200, n_genes=20)
    rng = np.random.default_rng(0)
    unknown = rng.normal(size=(200, 20)) * planted.delta.std()
    apart = np.hstack([planted.delta, unknown]) @ np.linalg.qr(rng.normal(size=(40, 40)))[0]
    effects = Effects.from_delta(apart, perturbations=planted.names)
    train, truth = effects.take(effects.perturbations[:100]), effects.delta[100:]
    found = {}
    for without in ((), ("direction_shrinkage",)):
        model = EffectModel(planted.source, without=without).fit(train)
        found[without] = (
            ((model.predict(planted.names[100:]).delta - truth) ** 2).sum(),
            model.report_["shrink_by_direction"],
        )
    assert found[()][0] <= 1.005 * found["direction_shrinkage",][0]
    assert found["direction_shrinkage",][1] == []


def test_rank_keeps_what_lies_in_the_leading_components(plant):
    planted = plant(60, n_genes=30)
    train = planted.effects(planted.names[:45], noise=0.3)
    truth = planted.effects(planted.names[45:]).delta
    whole, few = (EffectModel(planted.source, rank=r).fit(train) for r in (None, 6))
    off = [((m.predict(planted.names[45:]).delta - truth) ** 2).sum() for m in (whole, few)]
    assert off[1] < 1.2 * off[0]
    centered = few.predict(planted.names[45:]).delta - train.delta.mean(axis=0)
    assert np.linalg.matrix_rank(centered, tol=1e-6) <= 6
    assert np.allclose(few.predict(["P0+P1"]).delta[0], train.delta[:2].sum(0))
    with pytest.raises(FitError, match="rank is 0"):
        EffectModel(planted.source, rank=0)


def test_every_part_can_be_left_out_and_unknown_ones_are_refused(plant):
    planted = plant(25)
    train = planted.effects([*planted.names[:20], "P0+P1", "P2+P3", "P4+P5"], noise=0.3)
    for part in PARTS:
        model = EffectModel(planted.source, without=(part,)).fit(train)
        assert np.isfinite(model.predict(["P22", "P0+P22"]).delta).all()
    with pytest.raises(DataError, match="without is 'magic'"):
        EffectModel(planted.source, without=("magic",))
    with pytest.raises(DataError, match="modality is 'rna'"):
        EffectModel(planted.source, modality="rna")


def test_scikit_learn_clones_the_model(plant):
    model = EffectModel(
        [plant(20).source], kernel="rbf", alphas=[1.0], groups={"P0": "x"}, without=("shrinkage",), name="mine"
    )
    copy = clone(model)
    assert copy.name == "mine"
    assert copy._settings == model._settings
    train = plant(20).effects(noise=0.2)
    assert np.allclose(copy.fit(train).predict(["P3"]).delta, model.fit(train).predict(["P3"]).delta)


SMALL = {
    "three rows": lambda p: p.effects(p.names[:3]),
    "all rows equal": lambda p: Effects.from_delta(np.ones((8, 9)), perturbations=p.names[:8]),
    "one combination": lambda p: p.effects([*p.names[:8], "P0+P1"]),
    "combinations alone": lambda p: p.effects(["P0+P1", "P2+P3", "P4+P5", "P6+P7"]),
    "one gene in every row": lambda p: p.effects(["P0", "P0+P1", "P0+P2", "P0+P3"]),
    "one target": lambda p: Effects.from_delta(p.delta[:8, :1], perturbations=p.names[:8]),
}


@pytest.mark.parametrize("what", sorted(SMALL))
def test_small_problems_give_finite_answers_and_summaries(plant, what, tmp_path):
    planted = plant(12)
    train = SMALL[what](planted)
    model = EffectModel(planted.source).fit(train)
    found = model.predict(["P10", "P0+P10", "nowhere"])
    assert np.isfinite(found.delta).all()
    assert found.status[2] == "no_embedding"
    assert found.lower is None or (found.lower <= found.delta).all()
    assert str(len(train.perturbations)) in model.summary()
    json.dumps(model.report_, allow_nan=False)
    model.save(tmp_path)
    assert np.array_equal(EffectModel.load(tmp_path).predict(["P10", "P0+P10", "nowhere"]).delta, found.delta)


def test_kernel_of_low_rank_is_no_obstacle(plant):
    planted = plant(30)
    flat = replace(planted.source, vectors=np.outer(np.arange(30) % 2, np.ones(6)).astype(np.float32))
    model = EffectModel(flat, without="groups").fit(planted.effects(planted.names[:20], noise=0.1))
    assert np.isfinite(model.predict(["P25"]).delta).all()


def test_rows_that_all_leave_together_cannot_be_judged(plant):
    planted = plant(5)
    with pytest.raises(FitError, match="All 4 training perturbations bear the same label"):
        EffectModel(planted.source, groups=dict.fromkeys(planted.names, "x")).fit(planted.effects(planted.names[:4]))
