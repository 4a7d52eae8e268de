"""Published profiles: what the model must reach, and where it must not claim anything.

The protocol stands at the head of `tests/benchmarks/_accuracy.py`; this is its full form.
"""

import pytest
from tests.benchmarks._ablation import pair_ratios, shuffled
from tests.benchmarks._accuracy import MODELS, WITH_PAIRS, profiles, ratio, singles, strata
from tests.benchmarks._intervals import of_folds

from perturbridge.effects import Additive, EffectModel, GenePert
from perturbridge.embeddings import open_embedding

TARGETS = [
    ("replogle22k562", "go_words", 281, 0.775),
    ("adamson16", "go_words", 88, 0.795),
    ("replogle22k562", "pathways", 218, 0.69),
    ("adamson16", "pathways", 75, 0.75),
]


@pytest.fixture(scope="module")
def sources():
    return {name: open_embedding(name) for name in ("go_words", "pathways")}


@pytest.mark.parametrize(("name", "source", "n_rows", "target"), TARGETS)
def test_unseen_knockdowns_are_predicted(data_dir, sources, name, source, n_rows, target, record_property):
    effects = singles(profiles(data_dir, name), sources[source])
    assert len(effects.perturbations) == n_rows
    ours = ratio(MODELS["ours"], effects, sources[source])
    published = {
        model: ratio(make, effects, sources[source]) for model, make in MODELS.items() if model.startswith("genepert")
    }
    print(f"{name} {source} ({n_rows} rows): ours {ours:.4f}", *(f"{k} {v:.4f}" for k, v in published.items()))
    assert ours <= target
    # Its penalty is the best on the test rows; ours never saw them.
    assert ours < min(published.values()) + 0.01


@pytest.mark.parametrize(("name", "source", "n_rows", "target"), TARGETS)
def test_shuffled_embeddings_are_worth_nothing(data_dir, sources, name, source, n_rows, target):
    effects = singles(profiles(data_dir, name), sources[source])
    assert ratio(MODELS["shuffled"], effects, sources[source]) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("source", ["go_words", "pathways"])
def test_no_win_is_claimed_where_there_is_no_signal(data_dir, sources, source):
    """Neither table carries usable signal on the single activations of Norman et al."""
    effects = singles(profiles(data_dir, "norman19"), sources[source])
    assert 0.96 <= ratio(MODELS["ours"], effects, sources[source]) <= 1.01


def test_two_tables_are_better_than_either(data_dir, sources):
    for name in ("replogle22k562", "adamson16"):
        effects = singles(profiles(data_dir, name), sources["go_words"])
        one, two = (
            ratio(lambda s, _: EffectModel(s), effects, s, seeds=2)
            for s in (sources["go_words"], list(sources.values()))
        )
        assert two < one - 0.01


def test_pairs_are_better_than_sums_and_than_the_published_recipe(data_dir, sources):
    effects = profiles(data_dir, "norman19")
    found = {model: strata(make, effects, sources["go_words"], seeds=1) for model, make in WITH_PAIRS.items()}
    print(found)
    assert found["ours"]["every row"] < 0.35
    for stratum, ours in found["ours"].items():
        assert ours < 0.75 * min(found["additive"][stratum], found["genepert 1"][stratum])


@pytest.mark.parametrize(("name", "seeds", "target"), [("replogle22k562", 1, 0.71), ("adamson16", 5, 0.745)])
def test_both_views_together_are_no_worse_than_the_better_one(data_dir, sources, name, seeds, target):
    """On the larger set one seed of the five behind the figures in the benchmarks."""
    views = list(sources.values())
    effects = singles(singles(profiles(data_dir, name), views[0]), views[1])
    alone = min(ratio(lambda s, _: EffectModel(s), effects, view, seeds=seeds) for view in views)
    both, three = (
        ratio(lambda s, _: EffectModel(s), effects, s, seeds=seeds)
        for s in (views, [*views, shuffled(views[0], seed=0)])
    )
    assert both <= target
    assert both <= alone + 0.005
    assert three == pytest.approx(both, abs=0.005)


def test_pairs_with_all_singles_measured(data_dir, sources):
    effects = profiles(data_dir, "norman19")
    ours, sums, published = (
        pair_ratios(make, effects, sources["go_words"], seeds=1)
        for make in (lambda s, _: EffectModel(s), lambda s, _: Additive(), lambda s, _: GenePert(s))
    )
    for stratum, found in ours.items():
        assert found < sums[stratum]
        assert found < 0.75 * published[stratum]


@pytest.mark.parametrize("name", ["replogle22k562", "adamson16"])
def test_intervals_cover_held_out_knockdowns(data_dir, sources, name):
    views = list(sources.values())
    found = of_folds(singles(singles(profiles(data_dir, name), views[0]), views[1]), views, seeds=1)
    assert 0.87 < found["coverage"] < 0.93
    assert found["flagged"] < 0.05
