"""`--dask`: the same output, where it ran is said and written down, and results do not depend on it."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import perturbridge as pb
from perturbridge.evaluation import read_scores
from perturbridge.pipeline._duplicate import half_effects


@pytest.fixture
def address(cluster_client):
    cluster_client.wait_for_workers(2, timeout=60)
    return cluster_client.scheduler.address


def test_evaluate_writes_the_same_scores_and_says_where(call, made_screen, tmp_path, address):
    effects = pb.pseudobulk(pb.read_screen(made_screen))
    model = pb.EffectModel([pb.open_embedding("go_words")]).fit(effects.take(effects.perturbations[8:]))
    pb.write_prediction(model.predict(effects.perturbations[:8]), tmp_path / "pred.h5ad")
    for folder, more in (("here", ()), ("there", ("--dask", address))):
        arguments = ("evaluate", tmp_path / "pred.h5ad", "-s", made_screen, "--ceiling", "--no-report")
        done = call(*arguments, "-o", tmp_path / folder, *more)
        assert done.status == 0, done.err
        assert ("dashboard" in done.err) == bool(more)
    here, there = (pd.read_parquet(tmp_path / folder / "scores.parquet") for folder in ("here", "there"))
    pd.testing.assert_frame_equal(here, there, check_exact=True)
    places = [
        json.loads((tmp_path / folder / "evaluation.json").read_text())["environment"]["workers"]
        for folder in ("here", "there")
    ]
    assert places[0] == "this process"
    assert places[1].startswith("2 Dask workers")


def test_a_run_on_workers_has_the_scores_of_one_process_and_no_setting_of_where(call, made_screen, tmp_path, address):
    done = call("run", made_screen, "--folds", "2", "--no-cell-level", "-o", tmp_path / "run", "--dask", address)
    assert done.status == 0, done.err
    assert "Workers: 2 Dask workers" in done.err
    screen = pb.read_screen(made_screen)
    model = pb.EffectModel([pb.open_embedding("go_words")])
    here = pb.cross_validate(model, pb.pseudobulk(screen), folds=2, halves=half_effects(screen, seed=0))
    written = read_scores(tmp_path / "run" / "scores.parquet")
    for name, column in here.scores.columns().items():
        np.testing.assert_array_equal(written.columns()[name], column)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["environment"]["workers"].startswith("2 Dask workers")
    assert "dask" not in (tmp_path / "run" / "config.toml").read_text() + json.dumps(manifest["config"])


def test_align_says_the_same(call, tmp_path, address):
    rng = np.random.default_rng(0)
    names = np.repeat(["non-targeting", "A", "B"], [300, 120, 120])
    table = ad.AnnData(np.zeros((540, 0), dtype=np.float32))
    table.obs = pd.DataFrame(
        {"target": names, "chip": rng.choice(["c0", "c1"], 540)}, index=[f"x{i}" for i in range(540)]
    )
    table.obsm["X_clean"] = rng.normal(size=(540, 4)) + (names == "A")[:, None]
    table.write_h5ad(tmp_path / "cells.h5ad")
    arguments = ("align", tmp_path / "cells.h5ad", "--rep", "X_clean", "--context", "chip", "--condition", "target")
    here = call(*arguments, "--override-audit", "planted", "--json")
    there = call(*arguments, "--override-audit", "planted", "--json", "-o", tmp_path / "moved", "--dask", address)
    assert json.loads(here.out) == json.loads(there.out)
    assert "dashboard" in there.err
    told = json.loads((tmp_path / "moved" / "manifest.json").read_text())
    assert told["environment"]["workers"].startswith("2 Dask workers")


def test_a_place_that_is_none_is_refused(call, made_screen, tmp_path):
    done = call("run", made_screen, "--dask", "somewhere", "-o", tmp_path / "run")
    assert done.status == 2
    assert "'somewhere' is no place for workers" in done.err
    assert not (tmp_path / "run").exists()
