"""A run on hostile names, a user's split, pairs; the report holds what was found."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import perturbridge as pb
from perturbridge.errors import DataError
from perturbridge.pipeline import RunConfig, load_model, run
from perturbridge.values import Fold, Split

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A screen with pairs and one perturbation whose name is an attack."""
    folder = tmp_path_factory.mktemp("small")
    simulated = pb.simulate.screen(
        pb.open_embedding("go_words"),
        n_perturbations=14,
        n_pairs=5,
        n_genes=30,
        cells_per_perturbation=12,
        n_controls=40,
        seed=4,
    )
    pb.write_screen(simulated, folder / "s.h5ad")
    import anndata as ad

    adata = ad.read_h5ad(folder / "s.h5ad")
    labels = adata.obs["perturbation"].astype(str)
    single = next(name for name in sorted(set(labels)) if "+" not in name and name != "control")
    adata.obs["perturbation"] = labels.where(labels != single, HOSTILE).astype("category")
    adata.write_h5ad(folder / "s.h5ad")
    return folder / "s.h5ad"


def test_hostile_names_stay_text_and_a_missing_vector_is_reported(small, tmp_path):
    done = run(RunConfig(screen=small, folds=2, cell_level=False), tmp_path / "a")
    html = (tmp_path / "a" / "report.html").read_text()
    assert "<img" not in html
    assert "onerror" in html
    assert HOSTILE in done.manifest["embeddings"][0]["missing"]
    assert not re.search(r"https?://(?!www\.w3\.org)", re.sub(r"<svg.*?</svg>", "", html, flags=re.S))
    held_out = pb.read_prediction(tmp_path / "a" / "predictions.h5ad")
    assert held_out.status[[str(p) for p in held_out.perturbations].index(HOSTILE)] == "no_embedding"


def test_combination_split_reports_strata(small, tmp_path):
    done = run(RunConfig(screen=small, split="combination", folds=2, cell_level=False), tmp_path / "a")
    assert done.manifest["split"]["kind"] == "combination"
    assert "seen" in (tmp_path / "a" / "report.html").read_text()


def test_a_split_of_ones_own_is_used_and_checked(small, tmp_path):
    effects = pb.pseudobulk(pb.read_screen(small))
    own = Split(
        kind="mine", seed=0, folds=(Fold(name="x", train=effects.perturbations[4:], test=effects.perturbations[:4]),)
    )
    pb.write_split(own, tmp_path / "split.json")
    done = run(RunConfig(screen=small, split_file=tmp_path / "split.json", cell_level=False), tmp_path / "a")
    assert done.manifest["split"]["hash"] == own.hash
    assert len(pb.read_prediction(tmp_path / "a" / "predictions.h5ad").perturbations) == 4


def test_saved_model_predicts_as_the_fitted_one(small, tmp_path):
    done = run(RunConfig(screen=small, folds=2, cell_level=False), tmp_path / "a")
    names = ["TP53", "MYC+KRAS"]
    np.testing.assert_allclose(
        load_model(tmp_path / "a").predict(names).delta, done.model.predict(names).delta, atol=1e-12
    )


def test_manifest_is_plain_json_and_says_what_was_done(small, tmp_path):
    run(RunConfig(screen=small, folds=2, seed=3, cell_level=False), tmp_path / "a", command="perturbridge run s.h5ad")
    manifest = json.loads(
        (tmp_path / "a" / "manifest.json").read_text(), parse_constant=lambda c: pytest.fail(f"{c} in JSON")
    )
    assert manifest["command"] == "perturbridge run s.h5ad"
    assert manifest["config"]["seed"] == 3
    assert len(manifest["screen"]["fingerprint"]) == 64
    assert manifest["environment"]["libraries"]["numpy"] == np.__version__


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no model"):
        load_model(tmp_path)


def test_a_name_table_of_ones_own_joins_what_ours_does_not(tmp_path, capsys):
    from perturbridge.cli import main

    simulated = pb.simulate.screen(
        pb.open_embedding("go_words"), n_perturbations=8, n_genes=20, cells_per_perturbation=10, n_controls=30, seed=6
    )
    pb.write_screen(simulated, tmp_path / "s.h5ad")
    genes = [str(p) for p in simulated.screen.perturbations]
    (tmp_path / "e.csv").write_text("gene,d1,d2\n" + "".join(f"LAB{i},{i}.5,{-i}.1\n" for i in range(8)))
    argv = [
        "run",
        str(tmp_path / "s.h5ad"),
        "-e",
        str(tmp_path / "e.csv"),
        "--folds",
        "2",
        "--no-cell-level",
        "-o",
        str(tmp_path / "a"),
    ]
    assert main(argv) == 2
    (tmp_path / "names.tsv").write_text(
        "symbol\tprevious\talias\tensembl\n" + "".join(f"{gene}\tLAB{i}\t\t\n" for i, gene in enumerate(genes))
    )
    assert main([*argv, "--aliases", str(tmp_path / "names.tsv"), "--json"]) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["embeddings"][0]["renamed"] == {gene: f"LAB{i}" for i, gene in enumerate(genes)}
    assert load_model(tmp_path / "a").predict(["LAB3"]).status == ("predicted",)
