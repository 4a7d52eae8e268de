"""Cross-validation gives the same bits wherever its folds are fitted and scored, even if a worker is killed."""

from __future__ import annotations

import numpy as np
import pytest
from tests._spread import KillsOne, digest
from threadpoolctl import threadpool_limits

import perturbridge as pb
from perturbridge.effects import EffectModel, LinearFactors, MeanEffect
from perturbridge.errors import DataError, EmbeddingError
from perturbridge.pipeline import cross_validate
from perturbridge.pipeline._duplicate import half_effects
from perturbridge.values import EmbeddingCard, GeneEmbedding

FOLDS = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A screen of several contexts on disk, its effects, halves and an embedding."""
    simulated = pb.simulate.screen(
        n_perturbations=18, n_genes=60, cells_per_perturbation=20, n_controls=160, n_contexts=3, seed=3
    )
    path = tmp_path_factory.mktemp("folds") / "screen.h5ad"
    pb.write_screen(simulated, path)
    screen = pb.read_screen(path)
    return screen, pb.pseudobulk(screen), half_effects(screen, seed=0), simulated.embedding


def by_perturbation(made, **more):
    _, effects, halves, embedding = made
    return cross_validate(EffectModel([embedding]), effects, folds=FOLDS, halves=halves, **more)


def by_context(made, **more):
    screen, effects, _, embedding = made
    few = {"mean": MeanEffect(), "linear_factors": LinearFactors()}
    return cross_validate(
        EffectModel([embedding]), effects, split="context", screen=screen, baselines=few, folds=FOLDS, **more
    )


def told(validation):
    """All that is scored and predicted."""
    held_out = validation.held_out
    return (
        digest(validation.scores),
        held_out.perturbations,
        held_out.delta.tobytes(),
        None if held_out.lower is None else held_out.lower.tobytes(),
        {fold: sorted(report) for fold, report in validation.reports.items()},
        None if validation.measured is None else (validation.measured.fingerprint, validation.measured.delta.tobytes()),
    )


@pytest.fixture(scope="module", params=[by_perturbation, by_context], ids=["perturbation", "context"])
def validated(request, made):
    return request.param, told(request.param(made))


def test_scores_are_those_of_one_process_to_the_last_bit(made, validated, elsewhere):
    validate, here = validated
    assert told(validate(made, client=elsewhere)) == here


def test_the_number_of_threads_changes_no_bit(made):
    """At a size where the number of threads did change the last digits of scores before each fit was kept to one."""
    rng = np.random.default_rng(0)
    genes = tuple(f"G{i}" for i in range(240))
    embedding = GeneEmbedding(
        vectors=rng.normal(size=(240, 64)), genes=genes, rows=np.arange(240), card=EmbeddingCard(name="planted")
    )
    effects = pb.Effects.from_delta(embedding.vectors @ rng.normal(size=(64, 500)), perturbations=genes)
    found = []
    for n in (1, 2):
        with threadpool_limits(limits=n):
            done = cross_validate(EffectModel([embedding]), effects, folds=2, baselines={"mean": MeanEffect()})
            found.append((digest(done.scores), done.held_out.delta.tobytes()))
    assert found[0] == found[1]


def test_the_digest_sees_the_last_bit(made):
    scores = by_perturbation(made).scores
    before = digest(scores)
    i = int(np.flatnonzero(np.isfinite(scores.value))[0])
    scores.value[i] = np.nextafter(scores.value[i], 9.0)
    assert digest(scores) != before


def test_a_worker_that_is_killed_changes_no_bit(made, cluster_client):
    kills = KillsOne(cluster_client)
    assert told(by_perturbation(made, client=cluster_client, progress=kills)) == told(by_perturbation(made))
    done, total = kills.killed_at
    assert done < total


def test_progress_ends_at_the_number_of_fits(made, cluster_client):
    seen = []
    by_perturbation(made, client=cluster_client, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] > 0
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_an_error_of_a_fit_arrives_with_its_cure(made, cluster_client):
    _, effects, _, embedding = made
    other = GeneEmbedding(
        vectors=embedding.vectors[:3], genes=("X1", "X2", "X3"), rows=np.arange(3), card=EmbeddingCard(name="elsewhere")
    )
    errors = []
    for workers in (None, cluster_client):
        with pytest.raises(EmbeddingError) as caught:
            cross_validate(EffectModel([other]), effects, folds=2, baselines={"mean": MeanEffect()}, client=workers)
        errors.append(caught.value)
    assert errors[1].cure == errors[0].cure
    assert errors[1].problem.startswith(errors[0].problem)


def test_a_wrong_client_is_refused_before_any_work(made):
    with pytest.raises(DataError, match="client is of type str"):
        by_perturbation(made, client="local:2")
