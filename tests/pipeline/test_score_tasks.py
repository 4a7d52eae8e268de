"""Evaluation gives the same bits wherever models are scored and perturbations tested, even if a worker is killed."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from tests._spread import KillsOne, digest

import perturbridge as pb
from perturbridge.effects import EffectModel, NearestNeighbors
from perturbridge.errors import DataError
from perturbridge.evaluation import contrast_of_ranks
from perturbridge.pipeline import EvaluateConfig, RunConfig, align_data, evaluate_files
from perturbridge.pipeline._candidates import Candidate
from perturbridge.pipeline._clouds import values_of_cells
from perturbridge.pipeline._duplicate import half_effects
from perturbridge.pipeline._evaluate import evaluate_candidates
from perturbridge.pipeline._rank_tests import _groups, real_rank_contrast

TESTED = 8


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A screen on disk, its effects, two models' predictions, and a file of predicted cells."""
    folder = tmp_path_factory.mktemp("scores")
    simulated = pb.simulate.screen(
        n_perturbations=20, n_genes=50, cells_per_perturbation=18, n_controls=120, n_contexts=2, seed=4
    )
    pb.write_screen(simulated, folder / "real.h5ad")
    screen = pb.read_screen(folder / "real.h5ad")
    effects = pb.pseudobulk(screen)
    train, test = effects.perturbations[TESTED:], effects.perturbations[:TESTED]
    predictions = [
        model.fit(effects.take(train)).predict(test)
        for model in (EffectModel([simulated.embedding]), NearestNeighbors(simulated.embedding))
    ]
    cells = ad.read_h5ad(folder / "real.h5ad")
    own = cells[cells.obs["perturbation"].isin([str(name) for name in test])].copy()
    own[:, np.random.default_rng(0).permutation(own.n_vars)].copy().write_h5ad(folder / "cells.h5ad")
    return folder, screen, effects, predictions


@pytest.fixture(scope="module")
def halves(made):
    return half_effects(made[1], seed=0)


def score(made, halves, **more):
    _, _, effects, predictions = made
    return evaluate_candidates([Candidate(prediction=p) for p in predictions], effects, halves=halves, **more)


def from_files(made, **more):
    folder = made[0]
    config = EvaluateConfig(real=RunConfig(screen=folder / "real.h5ad"), ceiling=True, de_test="wilcoxon")
    return evaluate_files([folder / "cells.h5ad"], config, **more)


def told(evaluation):
    findings = [finding.as_json() for finding in evaluation.findings]
    means = evaluation.headline().to_csv(float_format="%.17g")
    return digest(evaluation.scores), evaluation.models, evaluation.baselines, findings, means


@pytest.fixture(scope="module")
def scored(made, halves):
    return told(score(made, halves))


@pytest.fixture(scope="module")
def scored_from_files(made):
    return told(from_files(made))


def test_scores_are_those_of_one_process_to_the_last_bit(made, halves, scored, elsewhere):
    found = score(made, halves, client=elsewhere)
    assert told(found) == scored
    assert "technical_duplicate" in found.scores.model
    assert found.workers


def test_files_of_cells_are_summed_tested_and_scored_the_same(made, scored_from_files, elsewhere):
    assert told(from_files(made, client=elsewhere)) == scored_from_files


def test_a_worker_that_is_killed_changes_no_bit(made, halves, scored, cluster_client):
    kills = KillsOne(cluster_client)
    assert told(score(made, halves, client=cluster_client, progress=kills)) == scored
    done, total = kills.killed_at
    assert done < total == len(score(made, halves).baselines) + 3


def test_rank_tests_are_those_of_all_cells_at_once(made, cluster_client):
    _, screen, effects, predictions = made
    names = predictions[0].perturbations
    found = real_rank_contrast(screen, effects, names, seed=0, client=cluster_client)
    codes = {name: i for i, name in enumerate(screen.perturbations)}
    cells = [values_of_cells(screen, np.flatnonzero(screen.perturbation_codes == codes[name])) for name in names]
    controls = values_of_cells(screen, np.flatnonzero(screen.perturbation_codes == -1))
    whole = contrast_of_ranks(
        effects.delta[effects.rows(names)], [c.astype(np.float32) for c in cells], controls.astype(np.float32)
    )
    for field in ("change", "size", "p", "significant"):
        np.testing.assert_array_equal(getattr(found, field), getattr(whole, field))


@pytest.mark.parametrize("n_tasks", [1, 3, 100])
def test_groups_hold_every_perturbation_once_in_order(made, n_tasks):
    _, screen, _, predictions = made
    names = predictions[0].perturbations
    groups = _groups(screen, names, n_tasks=n_tasks)
    rows = [own for group in groups for own in group]
    assert len(rows) == len(names)
    for own, name in zip(rows, names, strict=True):
        assert {str(screen.perturbations[i]) for i in screen.perturbation_codes[own]} == {str(name)}
    assert len(groups) == {1: 1, 100: len(names)}.get(n_tasks, len(groups))
    assert n_tasks == 1 or len(groups) >= n_tasks or len(groups) == len(names)


def test_a_prediction_that_does_not_fit_is_refused_with_its_cure_from_a_worker(made, cluster_client):
    _, _, effects, predictions = made
    fewer = pb.Prediction(
        perturbations=predictions[0].perturbations,
        genes=predictions[0].genes[:-1],
        delta=predictions[0].delta[:, :-1],
        status=predictions[0].status,
        detail=predictions[0].detail,
        model="fewer genes",
    )
    with pytest.raises(DataError, match="49 predicted and 50 measured genes have 49 in common") as caught:
        evaluate_candidates([Candidate(prediction=fewer)], effects, client=cluster_client)
    assert "exactly the measured genes" in caught.value.cure


def test_wrong_clients_are_refused_before_any_work(made, halves, tmp_path):
    folder = made[0]
    for call in (
        lambda: score(made, halves, client=3),
        lambda: from_files(made, client="tcp://127.0.0.1:1"),
        lambda: pb.run(RunConfig(screen=folder / "real.h5ad"), tmp_path / "run", client="local"),
        lambda: align_data(folder / "real.h5ad", context="context", condition="perturbation", client=object()),
        lambda: pb.evaluate(made[3], made[2], client=3),
    ):
        with pytest.raises(DataError, match="client is of type"):
            call()
    assert not (tmp_path / "run").exists()
