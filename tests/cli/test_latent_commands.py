"""`perturbridge latent`, as a person types it."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pytest

import perturbridge as pb
from perturbridge.injection import INJECTIONS
from perturbridge.latent import DESIGNS, Architecture, Training, one_hot_genes
from perturbridge.latent.penalties import KINDS

CONFIG = """
[architecture]
n_latent = 3
n_hidden = 16

[training]
epochs = 3
precision = "fp32"
"""


@pytest.fixture(scope="module")
def fitted(made_screen, tmp_path_factory):
    from perturbridge.cli import main

    folder = tmp_path_factory.mktemp("latent")
    (folder / "latent.toml").write_text(CONFIG)
    effects = pb.pseudobulk(pb.read_screen(made_screen))
    pb.write_split(pb.make_split(effects, folds=3), folder / "split.json")
    arguments = [
        "latent",
        "fit",
        str(made_screen),
        "-o",
        str(folder / "model"),
        "--config",
        str(folder / "latent.toml"),
    ]
    assert main([*arguments, "--split-file", str(folder / "split.json"), "--fold", "fold0"]) == 0
    return folder


def test_fit_encode_and_diagnose(fitted, made_screen, tmp_path, call):
    out = tmp_path / "latent.h5ad"
    ended = call("latent", "encode", fitted / "model", made_screen, "-o", out, "--json")
    assert ended.status == 0, ended.err
    said, table, screen = json.loads(ended.out), ad.read_h5ad(out), pb.read_screen(made_screen)
    assert table.obsm["X_perturbridge"].shape == (screen.n_cells, 3) == (said["n_cells"], said["n_dims"])
    about = table.uns["perturbridge"]
    assert about["split_hash"] == pb.read_split(fitted / "split.json").hash == said["split_hash"]
    assert about["fingerprint"] == said["fingerprint"]
    fold = pb.read_split(fitted / "split.json").folds[0]
    in_test = np.isin(table.obs["perturbation"], [str(p) for p in fold.test])
    assert np.array_equal(table.obs["trained"], ~in_test)
    assert list(table.obs["context"]) == [screen.context.categories[c] for c in screen.context.codes]
    model = pb.LatentModel.load(fitted / "model", device="cpu")
    assert np.array_equal(model.encode(screen).z, table.obsm["X_perturbridge"])
    ended = call("latent", "diagnose", fitted / "model", made_screen, "--json")
    assert ended.status == 0, ended.err
    assert 0 <= json.loads(ended.out)["n_active"] <= 3
    ended = call("latent", "diagnose", fitted / "model", made_screen, "--n-cells", 50)
    assert "mutual information" in ended.out


def test_bad_input_is_one_line(fitted, made_screen, tmp_path, call):
    for text, wanted in (
        ("[architecture]\nn_latents = 3", "Nearest valid names: 'n_latent'"),
        ("[model]\nx = 1", "the first is 'model'"),
        ("epochs = 3", "the first is 'epochs'. Put it under [training]"),
        ("training = 3", "training is 3, and no table"),
        ("penalties = 'mmd'", "Give a list"),
        ("penalties = ['mdm']", "penalty is 'mdm'"),
        ("penalties = ['mmd=much']", "'mmd=much' is no number"),
        ("[[penalties]]\nkind = 'mmd'\nforce = 2", "('force')"),
        ("design = 'vae2'", "design is 'vae2'"),
        ("injection = 'film2'", "injection is 'film2'"),
        ("[injection]\nname = 'film'\nn_projected = 2", "has settings ['n_projected']"),
        ("design = 'biolord'\nembedding = 'nowhere'", "neither a file nor a table"),
        ("[training]\nepochs = 'many'", "value of the wrong type"),
        ("[training]\nbeta = -1", "beta is -1"),
    ):
        (tmp_path / "latent.toml").write_text(text)
        ended = call("latent", "fit", made_screen, "-o", tmp_path / "m", "--config", tmp_path / "latent.toml")
        assert (ended.status, ended.err.count("\n")) == (2, 1)
        assert wanted in ended.err
    ended = call("latent", "encode", tmp_path / "nowhere", made_screen, "-o", tmp_path / "z.h5ad")
    assert ended.status == 2
    assert "cannot be read" in ended.err
    ended = call("latent", "fit", made_screen, "-o", fitted / "model")
    assert "exists already" in ended.err


def test_designs_penalties_and_injections_are_the_same_on_the_line_in_toml_and_in_python(made_screen, tmp_path, call):
    settings = "n_latent = 3\nn_hidden = 16\n"
    toml = f"design = 'scanvi'\nlabels = 'context'\npenalties = ['mmd', 'adversary=2']\ninjection = 'film'\n[architecture]\n{settings}"
    (tmp_path / "whole.toml").write_text(toml + "[training]\nepochs = 2\nprecision = 'fp32'\n")
    (tmp_path / "part.toml").write_text(f"[architecture]\n{settings}[training]\nprecision = 'fp32'\n")
    named = ["--design", "scanvi", "--labels", "context", "--penalty", "mmd", "--penalty", "adversary=2"]
    for folder, arguments in (
        ("a", ["--config", tmp_path / "whole.toml"]),
        ("b", ["--config", tmp_path / "part.toml", *named, "--injection", "film", "--epochs", 2]),
    ):
        ended = call("latent", "fit", made_screen, "-o", tmp_path / folder, *arguments, "--json")
        assert ended.status == 0, ended.err
        said = json.loads(ended.out)["settings"]
        assert said["design"] == "scanvi"
        assert [p["kind"] for p in said["penalties"]] == ["mmd", "adversary"]
    screen = pb.read_screen(made_screen)
    model = pb.LatentModel(
        labels="context",
        architecture=Architecture(n_latent=3, n_hidden=16),
        training=Training(epochs=2, precision="fp32"),
        penalties=("mmd", "adversary=2"),
        injection="film",
    ).fit(screen, embedding=one_hot_genes(screen))
    z = model.encode(screen).z
    for folder in ("a", "b"):
        loaded = pb.LatentModel.load(tmp_path / folder, device="cpu")
        assert loaded.penalties == model.penalties
        assert np.array_equal(loaded.encode(screen).z, z)


def test_help_names_every_design_penalty_and_injection(call):
    fit, audit = (" ".join(call(*words, "--help").out.split()) for words in (("latent", "fit"), ("audit",)))
    for name in (*DESIGNS, *KINDS, *INJECTIONS):
        assert name in fit
    for name in DESIGNS:
        assert name in audit
