"""An embedding made from the answers is called so, also with noise; what knows biology is not."""

import numpy as np
import pytest
from tests.benchmarks._accuracy import profiles, singles

from perturbridge.audit._embedding_leak import check_embedding
from perturbridge.embeddings import open_embedding
from perturbridge.errors import DataError
from perturbridge.values import Effects, EmbeddingCard


def components(delta):
    u, s, _ = np.linalg.svd(delta - delta.mean(axis=0), full_matrices=False)
    return u * s


def held_out(effects, seed=0, share=0.25):
    chosen = np.random.default_rng(seed).random(len(effects.perturbations)) < share
    return tuple(p for p, c in zip(effects.perturbations, chosen, strict=True) if c)


def planted(*, n=120, known=0.6, noise=0.5, seed=0):
    """Six programmes; the prior knows a share `known` of the variance of their strengths."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(size=(n, 6))
    delta = strength @ rng.normal(size=(6, 300)) + noise * rng.normal(size=(n, 300))
    prior = np.sqrt(known) * strength + np.sqrt(1 - known) * rng.normal(size=(n, 6))
    effects = Effects.from_delta(delta, perturbations=[f"G{i}" for i in range(n)])
    return effects, prior @ np.linalg.qr(rng.normal(size=(20, 20)))[0][:6]


@pytest.mark.parametrize("profile", ["replogle22k562", "adamson16", "norman19"])
@pytest.mark.parametrize("source", ["go_words", "pathways"])
def test_on_published_screens_only_the_plant_rings(data_dir, profile, source):
    table = open_embedding(source)
    effects = singles(profiles(data_dir, profile), table)
    vectors = table.vectors[table.locate([str(p) for p in effects.perturbations]).rows]
    rng = np.random.default_rng(1)
    pcs = components(effects.delta)
    noisy = pcs[:, :16] + 0.3 * pcs[:, :16].std(axis=0) * rng.normal(size=(len(pcs), 16))
    test = held_out(effects)
    assert check_embedding(vectors, effects, test).verdict == "pass"
    for leaked in (pcs[:, :16], noisy):
        check = check_embedding(leaked, effects, test)
        assert check.verdict == "fail"
        assert "looks made from these responses (L1)" in check.evidence


@pytest.mark.parametrize("known", [0.0, 0.3, 0.5])
def test_prior_knowledge_does_not_ring(known):
    verdicts = []
    for seed in range(6):
        effects, prior = planted(known=known, seed=seed)
        verdicts.append(check_embedding(prior, effects, held_out(effects, seed), seed=seed).verdict)
    assert "fail" not in verdicts
    assert verdicts.count("pass") >= 5


def test_components_beside_a_true_prior_ring():
    effects, prior = planted(known=0.3)
    both = np.concatenate([prior, components(effects.delta)[:, :6]], axis=1)
    assert check_embedding(both, effects, held_out(effects)).verdict == "fail"


def test_responses_of_training_rows_alone_do_not_ring():
    """Training perturbations carry their own components, test ones a prior: allowed, since no test response is in it."""
    effects, _ = planted(known=0.3)
    test = held_out(effects)
    leaked = components(effects.delta)[:, :6]
    leaked[effects.rows(test)] = np.random.default_rng(0).normal(size=(len(test), 6)) * leaked.std(axis=0)
    assert check_embedding(leaked, effects, test).verdict == "pass"


def test_p_is_uniform_for_vectors_that_know_nothing():
    ps = []
    for seed in range(20):
        effects, _ = planted(n=60, seed=seed)
        vectors = np.random.default_rng(100 + seed).normal(size=(60, 8))
        ps.append(check_embedding(vectors, effects, held_out(effects, seed), seed=seed).p)
    assert 0.3 < np.mean(ps) < 0.7
    assert np.mean(np.array(ps) <= 0.05) <= 0.2


def test_levels_are_declared_and_dated():
    effects, prior = planted(known=0.3)
    test = held_out(effects)
    card = EmbeddingCard(name="words", date="2024-01")
    pcs = components(effects.delta)[:, :6]
    assert check_embedding(prior, effects, test, declared_level="L1").verdict == "fail"
    sister = check_embedding(prior, effects, test, declared_level="L2")
    assert (sister.verdict, sister.gates) == ("info", False)
    assert check_embedding(pcs, effects, test, declared_level="L2").verdict == "warn"
    later = check_embedding(prior, effects, test, card=card, experiment_date="2023-06-30")
    assert later.verdict == "warn"
    assert "knowledge is of 2024-01, the experiment of 2023-06-30 (L3)" in later.evidence
    assert later.name == "embedding words"
    assert check_embedding(prior, effects, test, card=card, experiment_date="2025").verdict == "pass"
    assert "No date of the knowledge and of the experiment" in check_embedding(prior, effects, test).evidence
    with pytest.raises(DataError, match="'last year' is not a date"):
        check_embedding(prior, effects, test, card=card, experiment_date="last year")


def test_too_few_and_missing_vectors_are_said():
    effects, prior = planted(n=40)
    few = check_embedding(prior, effects, effects.perturbations[:3])
    assert few.verdict == "underpowered"
    assert "37 training and 3 test perturbations" in few.evidence
    prior[5] = np.nan
    assert "1 perturbations have no vector" in check_embedding(prior, effects, held_out(effects)).evidence
    with pytest.raises(DataError, match="39, 20"):
        check_embedding(prior[:39], effects, held_out(effects))


def test_turning_scaling_and_renaming_change_nothing():
    effects, prior = planted(n=80)
    rng = np.random.default_rng(5)
    test = held_out(effects)
    base = check_embedding(prior, effects, test)
    turn = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    genes = rng.permutation(300)
    other = Effects.from_delta(3 * effects.delta[:, genes], perturbations=effects.perturbations)
    for check in (check_embedding(5 * prior @ turn, effects, test), check_embedding(prior, other, test)):
        assert check.effect == pytest.approx(base.effect, abs=0.03)
        assert check.verdict == base.verdict
