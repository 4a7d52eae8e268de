"""Each command, as a person types it."""

from __future__ import annotations

import csv
import json

import anndata as ad
import numpy as np
import pytest

import perturbridge as pb
from perturbridge.values import Fold

RUN_FILES = {
    "config.toml",
    "manifest.json",
    "split.json",
    "scores.parquet",
    "effects.h5ad",
    "predictions.h5ad",
    "model",
    "report.html",
}


@pytest.fixture(scope="module")
def finished(made_screen, tmp_path_factory):
    from perturbridge.cli import main

    folder = tmp_path_factory.mktemp("runs") / "a"
    assert main(["run", str(made_screen), "-o", str(folder), "--folds", "3", "--seed", "1", "--no-cell-level"]) == 0
    return folder


def test_run_writes_a_whole_folder(finished):
    assert {p.name for p in finished.iterdir()} == RUN_FILES
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["split"]["hash"] == pb.read_split(finished / "split.json").hash
    assert manifest["screen"]["n_perturbations"] == 24
    assert {row["model"] for row in manifest["scores"]} >= {"perturbridge", "mean", "no_change"}
    prediction = pb.read_prediction(finished / "predictions.h5ad")
    assert len(prediction.perturbations) == 24
    assert prediction.split_hash == manifest["split"]["hash"]


def test_run_from_its_own_config_gives_the_same_numbers(finished, tmp_path, call):
    ended = call("run", finished / "config.toml", "-o", tmp_path / "again")
    assert ended.status == 0, ended.err
    first, second = (pb.read_prediction(folder / "predictions.h5ad") for folder in (finished, tmp_path / "again"))
    np.testing.assert_array_equal(first.delta, second.delta)
    assert (tmp_path / "again" / "config.toml").read_text() == (finished / "config.toml").read_text()


def test_a_config_and_other_settings_together_are_refused(finished, tmp_path, call):
    ended = call("run", finished / "config.toml", "--folds", "4", "-o", tmp_path / "again")
    assert ended.status == 2
    assert "'folds'" in ended.err


def test_run_prints_table_answer_and_place(made_screen, tmp_path, call):
    ended = call("run", made_screen, "--no-cell-level", "-o", tmp_path / "a", "--folds", "2")
    assert ended.status == 0, ended.err
    for text in ("pearson_delta_pert", "perturbridge", "best baseline", "held-out perturbations", "report.html"):
        assert text in ended.out
    assert "\x1b" not in ended.out


def test_predict_prints_and_writes(finished, tmp_path, call):
    out = tmp_path / "pred.h5ad"
    ended = call("predict", finished, "TP53", "KRAS+MYC", "NOTAGENE1", "-o", out, "--json")
    assert ended.status == 0, ended.err
    records = {r["perturbation"]: r for r in json.loads(ended.out)}
    assert records["TP53"]["status"] == "predicted"
    assert records["NOTAGENE1"]["status"] == "no_embedding"
    assert "NOTAGENE1" in records["NOTAGENE1"]["detail"]
    written = ad.read_h5ad(out)
    assert list(written.obs_names) == ["TP53", "KRAS+MYC", "NOTAGENE1"]
    assert "NOTAGENE1" in call("predict", finished, "NOTAGENE1").out


def test_predict_explains_itself(finished, call):
    ended = call("predict", finished, "TP53", "KRAS+MYC", "NOTAGENE1[bold]", "--explain", "--top", "3")
    assert ended.status == 0, ended.err
    for text in (
        "training gene",
        "by source",
        "90 % interval",
        "strongest genes",
        "NOTAGENE1[bold] is predicted as the mean",
    ):
        assert text in ended.out
    records = json.loads(call("predict", finished, "TP53", "--explain", "--json").out)
    explanation = records[0]["explanation"]
    assert explanation["perturbation"] == "TP53"
    assert len(explanation["up"]) <= 5
    assert {"neighbors", "sources", "up", "down", "deviation"} <= set(explanation)


def test_predict_writes_csv_that_no_spreadsheet_runs(finished, tmp_path, call):
    out = tmp_path / "pred.csv"
    assert call("predict", finished, "=HYPERLINK(1)", "-o", out).status == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == 60
    assert {row["perturbation"] for row in rows} == {"'=HYPERLINK(1)"}


def test_predict_refuses_an_unknown_ending_before_it_starts(finished, tmp_path, call):
    ended = call("predict", finished, "TP53", "-o", tmp_path / "pred.xlsx")
    assert ended.status == 2
    assert ".parquet" in ended.err


def test_pseudobulk_then_evaluate(made_screen, tmp_path, call):
    effects = tmp_path / "effects.h5ad"
    assert call("pseudobulk", made_screen, "-o", effects).status == 0
    names = pb.read_effects(effects).perturbations
    split = pb.Split(kind="mine", seed=0, folds=(Fold(name="0", train=names[8:], test=names[:8]),))
    pb.write_split(split, tmp_path / "split.json")
    assert (
        call(
            "run", made_screen, "--no-cell-level", "--split-file", tmp_path / "split.json", "-o", tmp_path / "a"
        ).status
        == 0
    )
    pred = tmp_path / "a" / "predictions.h5ad"
    from_effects = call("evaluate", pred, "-s", effects, "-o", tmp_path / "scores.csv", "--json")
    from_screen = call("evaluate", pred, "-s", made_screen, "--json")
    assert from_effects.status == 0, from_effects.err
    assert json.loads(from_effects.out) == json.loads(from_screen.out)
    assert {row["model"] for row in json.loads(from_screen.out)} >= {"perturbridge", "mean"}
    assert (tmp_path / "scores.csv").read_text().startswith('"model",')
    assert "pds_cosine" in call("evaluate", pred, "-s", effects).out


def test_a_fit_is_said_to_be_one_and_never_scored(finished, made_screen, tmp_path, call):
    name = str(pb.read_effects(finished / "effects.h5ad").perturbations[0])
    pred = tmp_path / "pred.h5ad"
    ended = call("predict", finished, name, "TP53", "-o", pred)
    assert f"! {name}: among the training perturbations" in " ".join(ended.out.split())
    assert pb.read_prediction(pred).in_training == (True, False)
    ended = call("evaluate", pred, "-s", made_screen)
    assert ended.status == 2
    assert f"fitted on 1 of 2 predicted perturbations, the first is {name}" in ended.err


def test_inspect_says_what_is_there_and_what_to_type(made_screen, call):
    ended = call("inspect", made_screen)
    assert ended.status == 0, ended.err
    assert "perturbridge run" in ended.out
    found = json.loads(call("inspect", made_screen, "--json").out)
    assert found["embeddings"][0]["n_covered"] == 24


def test_embed_convert_coverage_build_list(tmp_path, call):
    table = tmp_path / "emb.csv"
    table.write_text("gene,d1,d2\nTP53,0.1,0.2\nMYC,0.3,0.1\n")
    out = tmp_path / "emb.safetensors"
    assert call("embed", "convert", table, "-o", out).status == 0
    report = json.loads(call("embed", "coverage", out, "--gene", "TP53", "--gene", "XYZ", "--json").out)
    assert (report["n_covered"], list(report["missing"])) == (1, ["XYZ"])
    assert "XYZ" in call("embed", "coverage", out, "--gene", "XYZ").out
    gmt = tmp_path / "sets.gmt"
    gmt.write_text("".join(f"set{i}\t\t" + "\t".join(f"G{j}" for j in range(i, i + 6)) + "\n" for i in range(12)))
    ended = call("embed", "build", "--gmt", gmt, "--dims", "4", "-o", tmp_path / "sets.safetensors", "--json")
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["n_dims"] == 4
    assert "go_words" in call("embed", "list").out


def test_build_needs_exactly_one_input(tmp_path, call):
    ended = call("embed", "build", "-o", tmp_path / "x.safetensors")
    assert ended.status == 2
    assert "--terms" in ended.err


def test_embed_join_puts_tables_side_by_side(tmp_path, call):
    ended = call("embed", "join", "go_words", "pathways", "-o", tmp_path / "both.safetensors", "--json")
    assert ended.status == 0, ended.err
    both = pb.read_embedding(tmp_path / "both.safetensors")
    one, two = pb.open_embedding("go_words"), pb.open_embedding("pathways")
    assert both.n_dims == one.n_dims + two.n_dims == json.loads(ended.out)["n_dims"]
    row = both.vectors[both.locate(["TP53"]).rows[0]]
    first = one.vectors[one.locate(["TP53"]).rows[0]]
    np.testing.assert_allclose(row[: one.n_dims], first / np.linalg.norm(first), atol=1e-6)
    assert "go_words" in both.card.made_by


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--text", "t.tsv"], "--text was given without a model"),
        (["--gmt", "x.gmt", "--model", "m"], "--gmt was given with a model"),
        (["--text", "t.tsv", "--fasta", "x.fa", "--model", "m"], "text and fasta were given"),
        (["--fasta", "x.fa", "--model", "m", "--gene-map", "g.tsv"], "A gene map was given with --fasta"),
    ],
)
def test_build_refuses_what_does_not_go_together(tmp_path, call, words, fault):
    ended = call("embed", "build", *words, "-o", tmp_path / "x.safetensors")
    assert ended.status == 2
    assert fault in ended.err


def test_a_run_takes_splits_of_other_programs_and_by_similarity(made_screen, tmp_path, call):
    names = pb.read_screen(made_screen).perturbations
    split = pb.make_split(names, folds=2, seed=3)
    pb.write_split(split, tmp_path / "s.pkl", fold="fold0")
    pb.write_split(split, tmp_path / "s.toml", fold="fold0")
    for file in ("s.pkl", "s.toml"):
        ended = call("run", made_screen, "--no-cell-level", "--split-file", tmp_path / file, "-o", tmp_path / file[2:])
        assert ended.status == 0, ended.err
        (fold,) = pb.read_split(tmp_path / file[2:] / "split.json").folds
        assert set(fold.test) == set(split.folds[0].test)
    ended = call(
        "run", made_screen, "--no-cell-level", "--split", "similarity", "--folds", "2", "-o", tmp_path / "alike"
    )
    assert ended.status == 0, ended.err
    assert pb.read_split(tmp_path / "alike" / "split.json").kind == "similarity"
    assert all(f">{stratum}<" in (tmp_path / "alike" / "report.html").read_text() for stratum in ("near", "far"))
    held = pb.make_split(pb.read_screen(made_screen), kind="context")
    pb.write_split(held, tmp_path / "held.json")
    ended = call("run", made_screen, "--no-cell-level", "--split-file", tmp_path / "held.json", "-o", tmp_path / "b")
    assert ended.status == 0, ended.err
    assert pb.read_split(tmp_path / "b" / "split.json").by == "context"
