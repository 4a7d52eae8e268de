"""Runs side by side: the same rows, the right winner, and where."""

from __future__ import annotations

import json

import numpy as np
import pytest

import perturbridge as pb
from perturbridge.cli import main
from perturbridge.errors import DataError
from perturbridge.pipeline import RunConfig, compare_runs, run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of one screen whose effects follow the embedding of the first; the second is given another."""
    folder = tmp_path_factory.mktemp("compared")
    simulated = pb.simulate.screen(
        pb.open_embedding("go_words"), n_perturbations=30, n_genes=50, cells_per_perturbation=25, n_controls=150, seed=8
    )
    pb.write_screen(simulated, folder / "s.h5ad")
    for name, source in (("a", "go_words"), ("b", "pathways")):
        run(RunConfig(screen=folder / "s.h5ad", embedding=(source,), folds=3, cell_level=False), folder / name)
    return folder


def test_the_difference_is_that_of_the_scores(runs):
    found = compare_runs([runs / "b", runs / "a"])
    assert found.models == ("perturbridge (b)", "perturbridge (a)")
    row = found.comparison.set_index("metric").loc["rmse"]
    means = found.summary().set_index(["metric", "model"])["mean"]
    assert row["difference"] == pytest.approx(means["rmse", found.models[0]] - means["rmse", found.models[1]])
    assert row["n"] == 30
    assert row["best_baseline"] == found.models[0]
    assert found.notes == ()


def test_parts_make_up_the_whole(runs):
    found = compare_runs([runs / "b", runs / "a"])
    by = found.where.query("by == 'effect size' and metric == 'pearson_delta'")
    assert by["part"].tolist() == ["weakest third", "middle third", "strongest third"]
    assert by["n"].sum() == 30
    whole = found.comparison.set_index("metric").loc["pearson_delta", "difference"]
    assert np.average(by["difference"], weights=by["n"]) == pytest.approx(whole)
    assert "distance to training" in set(found.where["by"])


def test_gene_sets_and_the_command(runs, tmp_path, capsys):
    listed = json.loads((runs / "a" / "manifest.json").read_text())["perturbations"]
    names = [row["perturbation"] for row in listed]
    (tmp_path / "sets.gmt").write_text("mine\tof the test\t" + "\t".join(names[:9]) + "\nnone\t\tNOTAGENE\n")
    argv = ["compare", str(runs / "b"), str(runs / "a"), "--gene-sets", str(tmp_path / "sets.gmt")]
    assert main([*argv, "-o", str(tmp_path / "c.csv")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for text in ("perturbridge (a) against perturbridge (b)", "strongest third", "mine", "compared with"):
        assert text in printed
    assert (tmp_path / "c.csv").read_text().startswith("metric,model")
    assert main([*argv, "--json"]) == 0
    assert {row["part"] for row in json.loads(capsys.readouterr().out)["where"]} >= {"mine", "nearest third"}


def test_refusals(runs, tmp_path):
    with pytest.raises(DataError, match="1 runs to compare"):
        compare_runs([runs / "a"])
    with pytest.raises(DataError, match=r"manifest.json cannot be read"):
        compare_runs([runs / "a", tmp_path])
