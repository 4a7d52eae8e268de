"""Predictions of any kind: cells, means and Δ say the same; what does not fit is refused or told."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import perturbridge as pb
from perturbridge.errors import DataError
from perturbridge.evaluation import summarize, to_frame
from perturbridge.pipeline import EvaluateConfig, RunConfig, evaluate_files, write_evaluation
from perturbridge.pipeline._candidates import RealSide, read_candidate

HOSTILE = "=cmd()<script>"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A screen of two contexts on disk, its effects, and predicted cells of some of its perturbations."""
    folder = tmp_path_factory.mktemp("made")
    simulated = pb.simulate.screen(
        pb.open_embedding("go_words"), n_perturbations=14, n_genes=40, cells_per_perturbation=16, n_controls=80, seed=6
    )
    pb.write_screen(simulated, folder / "real.h5ad")
    screen = pb.read_screen(folder / "real.h5ad")
    effects = pb.pseudobulk(screen)
    real = RealSide(effects=effects, screen=screen, control=screen.control_labels)
    names = [str(p) for p in effects.perturbations[:6]]
    cells = ad.read_h5ad(folder / "real.h5ad")
    cells = cells[cells.obs["perturbation"].isin([*names, "control"])].copy()
    return folder, effects, real, names, cells


def rows(effects, names):
    return effects.take([p for p in effects.perturbations if str(p) in names])


def table(values, names, genes):
    return ad.AnnData(values, obs=pd.DataFrame(index=names), var=pd.DataFrame(index=list(genes)))


def test_cells_means_and_delta_of_one_prediction_agree(made, tmp_path):
    _, effects, real, names, cells = made
    cells.write_h5ad(tmp_path / "cells.h5ad")
    own = rows(effects, names)
    table(own.delta, names, effects.genes).write_h5ad(tmp_path / "delta.h5ad")
    table(own.delta + own.matched_control, names, effects.genes).write_h5ad(tmp_path / "means.h5ad")
    found = [read_candidate(tmp_path / f"{kind}.h5ad", real) for kind in ("cells", "delta", "means")]
    for candidate in found:
        assert [str(p) for p in candidate.prediction.perturbations] == names
        np.testing.assert_allclose(candidate.prediction.delta, own.delta, atol=1e-9)
    np.testing.assert_allclose(found[0].cells.variance, own.variance, atol=1e-9)
    np.testing.assert_array_equal(found[0].cells.n_cells, own.n_cells)
    assert found[1].cells is None
    assert "negative values" in found[1].findings[0].message
    assert "means of log1p" in found[2].findings[0].message


def test_predicted_cells_need_no_controls_and_submitted_ones_move_nothing(made, tmp_path):
    _, _, real, _, cells = made
    cells.write_h5ad(tmp_path / "with.h5ad")
    cells[cells.obs["perturbation"] != "control"].copy().write_h5ad(tmp_path / "without.h5ad")
    other = cells.copy()
    dense = other.X.toarray()
    control = (other.obs["perturbation"] == "control").to_numpy()
    dense[np.flatnonzero(control)[:, None], np.arange(0, 40, 2)] *= 5
    other.X = dense
    other.write_h5ad(tmp_path / "moved.h5ad")
    first, second, third = (read_candidate(tmp_path / f"{n}.h5ad", real) for n in ("with", "without", "moved"))
    np.testing.assert_array_equal(first.prediction.delta, second.prediction.delta)
    np.testing.assert_allclose(first.prediction.delta, third.prediction.delta, atol=1e-12)
    codes = [[f.code for f in candidate.findings] for candidate in (first, second, third)]
    assert "submitted_controls" not in codes[0] + codes[1]
    assert "submitted_controls" in codes[2]


def test_contexts_of_predicted_cells_are_matched(made, tmp_path):
    """All predicted cells in one context: Δ is against the controls of that context alone."""
    _, effects, real, _, cells = made
    context = effects.contexts.names[0]
    kept = cells[(cells.obs["context"] == context) & (cells.obs["perturbation"] != "control")].copy()
    kept.write_h5ad(tmp_path / "one.h5ad")
    found = read_candidate(tmp_path / "one.h5ad", real).prediction
    name = str(found.perturbations[0])
    own = kept[kept.obs["perturbation"] == name].X.toarray()
    mean = np.log1p(own * 1e4 / own.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(found.delta[0], mean - effects.contexts.control_mean[0], atol=1e-6)


def test_what_was_not_measured_is_left_out_and_counted(made, tmp_path):
    _, effects, real, names, _ = made
    own = rows(effects, names)
    values = np.vstack([own.delta, own.delta[:1]])
    table(values, [*names, HOSTILE], effects.genes).write_h5ad(tmp_path / "more.h5ad")
    found = read_candidate(tmp_path / "more.h5ad", real)
    assert [str(p) for p in found.prediction.perturbations] == names
    finding = next(f for f in found.findings if f.code == "not_measured")
    assert (finding.count, finding.example) == (1, HOSTILE)


def test_refusals(made, tmp_path):
    _, effects, real, names, _ = made
    own = rows(effects, names)
    table(own.delta[:, :-1], names, effects.genes[:-1]).write_h5ad(tmp_path / "genes.h5ad")
    with pytest.raises(DataError, match="39 predicted and 40 measured genes have 39 in common"):
        pb.evaluate([read_candidate(tmp_path / "genes.h5ad", real).prediction], effects)
    table(own.delta, [f"X{i}" for i in range(6)], effects.genes).write_h5ad(tmp_path / "names.h5ad")
    with pytest.raises(DataError, match="None of the 6 perturbations"):
        read_candidate(tmp_path / "names.h5ad", real)
    table(np.abs(own.delta) + 500, names, effects.genes).write_h5ad(tmp_path / "counts.h5ad")
    with pytest.raises(DataError, match="which are no log1p values"):
        read_candidate(tmp_path / "counts.h5ad", real)
    broken = own.delta.copy()
    broken[1, 2] = np.nan
    table(broken, names, effects.genes).write_h5ad(tmp_path / "nan.h5ad")
    with pytest.raises(DataError, match=r"1 values of .* are NaN or infinite, the first in row 1"):
        read_candidate(tmp_path / "nan.h5ad", real)
    with pytest.raises(DataError, match="no column 'guide'"):
        read_candidate(tmp_path / "nan.h5ad", replace(real, column="guide"))


def test_everything_from_files_to_a_folder(made, tmp_path):
    folder, effects, _, names, cells = made
    cells.write_h5ad(tmp_path / "cells.h5ad")
    own = rows(effects, names)
    table(0.5 * own.delta, names, effects.genes).write_h5ad(tmp_path / "half.h5ad")
    config = EvaluateConfig(real=RunConfig(screen=folder / "real.h5ad"), ceiling=True)
    found = evaluate_files([tmp_path / "cells.h5ad", tmp_path / "half.h5ad"], config)
    assert found.models == ("cells", "half")
    assert "technical_duplicate" in set(found.scores.model.tolist())
    frame = to_frame(found.scores).set_index(["model", "metric"])["value"].sort_index()
    assert (frame.loc["cells", "rmse"] < 1e-9).all()
    # The very cells that were measured: closer to themselves than another draw would be.
    assert (frame.loc["cells", "edistance"] < 0).all()
    assert frame.loc["half", "edistance"].isna().all()
    comparison = found.comparison().set_index(["model", "metric"])
    assert set(comparison.index.get_level_values(0)) == {"cells", "half"}
    write_evaluation(found, tmp_path / "out", command="=cmd()")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "scores.parquet",
        "results.csv",
        "agg_results.csv",
        "comparison.csv",
        "evaluation.json",
        "report.html",
    }
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for words in ("cells: On 6 held-out perturbations", "half: How good is it", "What the metrics can tell", "=cmd()"):
        assert words in page
    wide = pd.read_csv(tmp_path / "out" / "results.csv")
    means = summarize(found.scores).set_index(["model", "metric"])["mean"]
    assert wide.query("model == 'half'")["mae"].mean() == pytest.approx(means["half", "mae"])


def test_without_training_rows_baselines_are_left_out_and_that_is_said(made, tmp_path):
    folder, effects, _, _, _ = made
    names = [str(p) for p in effects.perturbations]
    table(0.5 * effects.delta, names, effects.genes).write_h5ad(tmp_path / "all.h5ad")
    config = EvaluateConfig(real=RunConfig(screen=folder / "real.h5ad"), profile="minimal")
    found = evaluate_files([tmp_path / "all.h5ad"], config)
    assert found.baselines == ()
    assert found.comparison() is None
    assert "no_training" in {f.code for f in found.findings}
    means = summarize(found.scores).set_index("metric")["mean"]
    assert means["pearson_delta"] == pytest.approx(1)
    assert (found.headline()["skill"].isna()).all()
