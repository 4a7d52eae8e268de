"""Whole contexts and samples held out of a run: what trains is measured on other cells than what tests."""

from __future__ import annotations

import json
from dataclasses import replace

import anndata
import numpy as np
import pytest

import perturbridge as pb
from perturbridge.effects import EffectModel, MeanEffect
from perturbridge.errors import DataError, FitError, LeakageError
from perturbridge.evaluation import Scorer
from perturbridge.pipeline import RunConfig, cross_validate, run
from perturbridge.pipeline._held_out_cells import SeenElsewhere
from perturbridge.screens import ArraySource, make_split, pseudobulk, read_prediction, trim_split, write_split
from perturbridge.values import UNASSIGNED_CODE, Split


@pytest.fixture(scope="module")
def simulated():
    return pb.simulate.screen(
        pb.open_embedding("go_words"),
        n_perturbations=14,
        n_genes=30,
        cells_per_perturbation=24,
        n_controls=90,
        n_contexts=3,
        n_samples=2,
        seed=5,
    )


@pytest.fixture(scope="module")
def model(simulated):
    return EffectModel([simulated.embedding], kernel="linear")


@pytest.fixture(scope="module")
def path(simulated, tmp_path_factory):
    file = tmp_path_factory.mktemp("levels") / "s.h5ad"
    pb.write_screen(simulated, file)
    return file


def brute_force(simulated, kept):
    """Δ of the kept cells from dense rows: mean over the cells less the mean of the controls of their contexts."""
    x = np.log1p(simulated.counts / simulated.counts.sum(axis=1, keepdims=True) * 1e4)
    codes, context = simulated.screen.perturbation_codes, simulated.screen.context.codes
    control = {c: x[kept & (codes == -1) & (context == c)].mean(axis=0) for c in np.unique(context[kept])}
    rows = {}
    for i, name in enumerate(simulated.screen.perturbations):
        cells = np.flatnonzero(kept & (codes == i))
        if len(cells) > 1:
            rows[name] = (x[cells] - [control[c] for c in context[cells]]).mean(axis=0)
    return rows


def test_each_side_is_what_its_own_cells_say(simulated, model):
    effects = pseudobulk(simulated.screen)
    done = cross_validate(
        model,
        effects,
        split="context",
        screen=simulated.screen,
        baselines={"mean": MeanEffect(), "seen_elsewhere": SeenElsewhere()},
    )
    assert [fold.held_out for fold in done.split.folds] == [(name,) for name in simulated.screen.context.categories]
    for level, fold in enumerate(done.split.folds):
        inside = simulated.screen.context.codes == level
        train, test = brute_force(simulated, ~inside), brute_force(simulated, inside)
        looked_up = SeenElsewhere().fit(
            replace(effects.take(fold.train), delta=np.array([train[name] for name in fold.train]))
        )
        wanted = np.array([test[name] for name in fold.test])
        got = np.array([train[name] for name in fold.test])
        np.testing.assert_allclose(looked_up.predict(fold.test).delta, got)
        rows = (
            (done.scores.model == "seen_elsewhere") & (done.scores.fold == fold.name) & (done.scores.metric == "rmse")
        )
        order = [done.scores.perturbation[rows].tolist().index(str(name)) for name in fold.test]
        others = np.array([[gene not in name.genes for gene in effects.genes] for name in fold.test])
        error = [np.sqrt(((a - b)[keep] ** 2).mean()) for a, b, keep in zip(got, wanted, others, strict=True)]
        np.testing.assert_allclose(done.scores.value[rows][order], error, rtol=1e-6)
    np.testing.assert_allclose(
        done.measured.delta, list(brute_force(simulated, simulated.screen.context.codes == 0).values()), atol=1e-7
    )


def test_no_held_out_cell_reaches_a_fit(simulated, model):
    """Every held-out cell, controls too, is replaced by nonsense: the predictions of its fold stay the same."""
    inside = simulated.screen.context.codes == 1
    counts = simulated.counts.copy()
    counts[inside] = np.random.default_rng(0).poisson(20, counts[inside].shape)
    spoiled = replace(simulated.screen, source=ArraySource(counts, "spoiled"))
    before, after = (
        cross_validate(
            model, pseudobulk(screen), split="context", screen=screen, baselines={"mean": MeanEffect()}
        ).predictions
        for screen in (simulated.screen, spoiled)
    )
    first, held, last = before
    np.testing.assert_array_equal(before[held].delta, after[held].delta)
    for other in (first, last):
        assert not np.array_equal(before[other].delta, after[other].delta)


def test_a_perturbation_without_cells_on_a_side_is_left_out_there_and_counted(simulated, model):
    screen = simulated.screen
    codes, alone = screen.perturbation_codes.copy(), screen.context.codes == 0
    codes[(codes == 3) & ~alone] = UNASSIGNED_CODE  # in the first context alone
    codes[(codes == 4) & alone] = UNASSIGNED_CODE  # everywhere else
    codes[np.flatnonzero((codes == 5) & alone)[1:]] = UNASSIGNED_CODE  # one cell is left there
    changed = replace(screen, perturbation_codes=codes)
    split = make_split(changed, kind="context")
    trimmed, (finding,) = trim_split(changed, split, min_cells=2)
    assert finding.code == "few_cells_in_fold"
    lost = sum(len(f.train) + len(f.test) for f in split.folds) - sum(len(f.train) + len(f.test) for f in trimmed.folds)
    assert finding.count == lost == 1
    same, nothing = trim_split(changed, split, min_cells=1)
    assert (same.hash, nothing) == (split.hash, ())
    done = cross_validate(model, pseudobulk(changed), split="context", screen=changed)
    name, other = (str(screen.perturbations[i]) for i in (3, 4))
    folds = done.split.folds
    assert dict(zip(map(str, folds[0].test), folds[0].strata, strict=True))[name] == "unseen"
    assert name not in map(str, folds[1].test)
    assert other not in map(str, folds[0].test)
    assert "seen_elsewhere" in done.baselines
    assert {"unseen", "seen elsewhere"} <= set(done.summary(by="stratum")["stratum"])


def test_samples_are_held_out_and_levels_share_folds(simulated, model):
    many = replace(simulated.screen, sample=simulated.screen.context, context=simulated.screen.sample)
    done = cross_validate(model, pseudobulk(many), split="sample", folds=2, screen=many)
    assert sorted(level for fold in done.split.folds for level in fold.held_out) == list(many.sample.categories)
    assert len(done.split.folds) == 2
    assert done.split.by == many.sample.column


def test_what_cannot_be_done_is_said(simulated, model):
    effects = pseudobulk(simulated.screen)
    with pytest.raises(DataError, match=r"cells of 'context'.*Pass the screen too \(screen=\)"):
        cross_validate(model, effects, split="context")
    with pytest.raises(DataError, match=r"cells of 'batch'.*Pass the screen too"):
        cross_validate(model, effects, split=replace(make_split(simulated.screen, kind="context"), by="batch"))
    screen = simulated.screen
    bare = replace(
        screen,
        perturbation_codes=np.where(
            (screen.context.codes == 2) & (screen.perturbation_codes == -1), UNASSIGNED_CODE, screen.perturbation_codes
        ),
    )
    split = make_split(screen, kind="context")
    with pytest.raises(DataError, match=r"held-out side of fold '.*' cannot be measured: The screen has no control"):
        cross_validate(model, pseudobulk(bare), split=split, screen=bare)
    with pytest.raises(FitError, match="asked before"):
        SeenElsewhere().predict(["A"])


def test_the_scorer_knows_both_sides(simulated):
    effects = pseudobulk(simulated.screen)
    names = effects.perturbations
    with pytest.raises(LeakageError, match="trained on"):
        Scorer(effects, names[:3], train=names)
    elsewhere = Scorer(effects, names[:3], train=effects)
    prediction = MeanEffect().fit(effects).predict(names[:3])
    apart = Scorer(effects, names[:3], train=names[3:])
    floor = {}
    for key, scorer in (("elsewhere", elsewhere), ("same", apart)):
        table = scorer.score(prediction, metrics=["rmse", "rmse_excess"])
        floor[key] = table.value[table.metric == "rmse"] - table.value[table.metric == "rmse_excess"]
    # Controls of other cells are noise that no training row shares, so that more of the error is to be expected.
    assert (floor["elsewhere"] > floor["same"]).all()
    fewer = replace(effects, genes=effects.genes[::-1])
    with pytest.raises(DataError, match="or in another order"):
        Scorer(effects, names[:3], train=fewer)


def test_a_run_that_holds_contexts_out(path, tmp_path):
    done = run(RunConfig(screen=path, split="context", kernel="linear"), tmp_path / "a")
    told = done.manifest["split"]
    assert told["kind"] == "context"
    assert [row["held_out"] for row in told["levels"]] == [["context1"], ["context2"], ["context3"]]
    for row in told["levels"]:
        prediction = read_prediction(tmp_path / "a" / row["predictions"])
        assert len(prediction.perturbations) == row["n_test"]
        assert sum(prediction.in_training) == row["n_seen_elsewhere"]
        assert prediction.split_hash == told["hash"]
    report = (tmp_path / "a" / "report.html").read_text()
    assert "it was not measured in be predicted" in report
    assert "seen_elsewhere" in report
    assert "held-out levels of" in done.manifest["answer"]
    assert pb.pipeline.read_config(tmp_path / "a" / "config.toml").split == "context"


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_a_file_may_hold_cells_out(simulated, model, tmp_path, suffix):
    screen = simulated.screen
    split = make_split(screen, kind="state")
    alone = Split(kind="mine", seed=0, folds=split.folds[1:], by=split.by)
    write_split(alone, tmp_path / f"split{suffix}")
    own = pb.read_split(tmp_path / f"split{suffix}")
    done = cross_validate(
        model, pseudobulk(screen), split=own, screen=screen, baselines={"seen_elsewhere": SeenElsewhere()}
    )
    (fold,) = done.split.folds
    assert fold.held_out == split.folds[1].held_out
    assert fold.strata == ("seen elsewhere",) * len(fold.test)


def test_a_file_of_state_may_hold_cells_out(path, tmp_path):
    adata = anndata.read_h5ad(path)
    adata.obs["cell_type"] = adata.obs["context"].astype(str)
    adata.write_h5ad(tmp_path / "s.h5ad")
    (tmp_path / "split.toml").write_text('[zeroshot]\n"screen.context2" = "test"\n\n[fewshot]\n')
    config = RunConfig(
        screen=tmp_path / "s.h5ad",
        context="sample",
        state="cell_type",
        split_file=tmp_path / "split.toml",
        kernel="linear",
    )
    done = run(config, tmp_path / "a")
    (row,) = done.manifest["split"]["levels"]
    assert (done.manifest["split"]["by"], row["held_out"]) == ("cell_type", ["context2"])
    assert row["n_seen_elsewhere"] == row["n_test"] == 14


def test_the_command(path, tmp_path, capsys):
    from perturbridge.cli import main

    argv = ["run", str(path), "--split", "sample", "--sample", "sample", "--kernel", "linear", "-o"]
    assert main([*argv, str(tmp_path / "a"), "--folds", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["split"]["by"] == "sample"
    assert main([*argv[:4], "--sample", "none", "-o", str(tmp_path / "b")]) == 2
    assert "has no sample" in capsys.readouterr().err
