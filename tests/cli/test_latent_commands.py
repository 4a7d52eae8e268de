"""`perturbridge latent`, as a person types it."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pytest

import perturbridge as pb

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
        ("epochs = 3", "1 settings outside any table, the first is 'epochs'"),
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
