"""A saved model predicts the same numbers; a damaged one is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from perturbridge.effects import EffectModel
from perturbridge.errors import FitError
from perturbridge.values import Finding, GeneAliases

ASKED = ["P0", "P35", "P0+P36", "old", "nowhere", "P1+P2"]


@pytest.fixture
def model(plant):
    planted = plant(40)
    aliases = GeneAliases(
        approved=frozenset(planted.names), previous={"old": ("P33",)}, ensembl={"ENSG00000000001": "P1"}
    )
    source = replace(planted.source, aliases=aliases, findings=(Finding(level="info", code="x", message="y"),))
    other = replace(plant(40, seed=2).source, genes=("µ\ud800-gene ☃", *planted.names[1:]))
    return EffectModel([source, other], seed=7, alphas=[0.1, 1.0, 10.0]).fit(
        planted.effects(planted.names[:30], noise=0.3), split_hash="h"
    )


@pytest.fixture
def with_pairs(plant):
    planted = plant(40)
    return EffectModel(planted.source).fit(planted.effects([*planted.names[:20], "P0+P1", "P2+P30"], noise=0.3))


@pytest.mark.parametrize("which", ["model", "with_pairs"])
def test_round_trip(which, request, tmp_path):
    saved = request.getfixturevalue(which)
    saved.save(tmp_path / "a" / "b")
    loaded = EffectModel.load(tmp_path / "a" / "b")
    mine, theirs = saved.predict(ASKED), loaded.predict(ASKED)
    assert np.array_equal(mine.delta, theirs.delta)
    assert (mine.status, mine.detail, mine.split_hash, mine.model, mine.genes) == (
        theirs.status,
        theirs.detail,
        theirs.split_hash,
        theirs.model,
        theirs.genes,
    )
    assert loaded.report_ == saved.report_
    assert sorted(p.name for p in (tmp_path / "a" / "b").iterdir()) == ["model.json", "model.safetensors"]


def test_loaded_settings_refit_the_same(model, tmp_path, plant):
    model.save(tmp_path)
    train = plant(40).effects(plant(40).names[5:30])
    assert np.array_equal(
        EffectModel.load(tmp_path).clone().fit(train).predict(ASKED).delta,
        model.clone().fit(train).predict(ASKED).delta,
    )


def test_saving_again_replaces(model, with_pairs, tmp_path):
    model.save(tmp_path)
    with_pairs.save(tmp_path)
    assert np.array_equal(EffectModel.load(tmp_path).predict(ASKED).delta, with_pairs.predict(ASKED).delta)


def test_only_a_fitted_model_is_saved(plant, tmp_path):
    with pytest.raises(FitError, match="before it has learnt"):
        EffectModel(plant(5).source).save(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def damage(folder, change, *, arrays=False):
    """Apply a change; for arrays also mend the hash, so that later checks have to see it."""
    import hashlib

    about = json.loads((folder / "model.json").read_text())
    if arrays:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")
        about["arrays_sha256"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    else:
        change(about)
    (folder / "model.json").write_text(json.dumps(about))


TEXT = {
    "format": (lambda a: a.update(format="other"), "is not an effect model"),
    "version": (lambda a: a.update(version=1), "has version 1, this release reads version 2"),
    "no genes": (lambda a: a.pop("genes"), "KeyError: 'genes'"),
    "fewer genes": (lambda a: a["genes"].pop(), "by_gene is float64"),
    "fewer anchors": (lambda a: a["anchors"].pop(), "anchor_weights is float64"),
    "kernel": (lambda a: a["sources"][0].update(kernel="cubic"), "source0 has kernel 'cubic'"),
    "bandwidth": (
        lambda a: a["sources"][0].update(kernel="rbf", bandwidth=-1.0),
        "source0 has kernel 'rbf' with bandwidth -1",
    ),
    "card": (lambda a: a["sources"][0]["card"].update(extra="x"), "TypeError"),
    "genes not a list": (lambda a: a.update(genes=3), "TypeError"),
    "settings": (lambda a: a["settings"].update(kernel="cubic"), "kernel is 'cubic'"),
}


@pytest.mark.parametrize("what", sorted(TEXT))
def test_damaged_text_is_refused(model, tmp_path, what):
    model.save(tmp_path)
    change, match = TEXT[what]
    damage(tmp_path, change)
    with pytest.raises(FitError, match=match):
        EffectModel.load(tmp_path)


def _nan(tensors):
    tensors["coefficients"][0, 0] = np.nan


ARRAYS = {
    "missing": (lambda t: t.pop("offsets"), "KeyError: 'offsets'"),
    "shape": (lambda t: t.update(coefficients=t["coefficients"][:, :-1].copy()), "coefficients is float64"),
    "kind": (lambda t: t.update(intercept=t["intercept"].astype(np.float32)), "intercept is float32"),
    "nan": (_nan, "coefficients has an entry that is not finite"),
    "anchor rows": (
        lambda t: t.update({"source0.anchor_rows": t["source0.anchor_rows"] + 1000}),
        "anchor_rows points outside",
    ),
    "weights": (
        lambda t: t.update(anchor_weights=-t["anchor_weights"]),
        "anchor_weights has an entry that is not positive",
    ),
    "vectors": (lambda t: t.update({"source0.vectors": t["source0.vectors"].astype(float)}), "vectors are float64"),
}


@pytest.mark.parametrize("what", sorted(ARRAYS))
def test_damaged_arrays_are_refused(model, tmp_path, what):
    model.save(tmp_path)
    change, match = ARRAYS[what]
    damage(tmp_path, change, arrays=True)
    with pytest.raises(FitError, match=match):
        EffectModel.load(tmp_path)


def test_files_of_two_models_do_not_mix(model, with_pairs, tmp_path):
    model.save(tmp_path / "a")
    with_pairs.save(tmp_path / "b")
    (tmp_path / "b" / "model.safetensors").replace(tmp_path / "a" / "model.safetensors")
    with pytest.raises(FitError, match=r"belongs to another model\.json"):
        EffectModel.load(tmp_path / "a")


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_truncated_and_missing_files_are_refused(model, tmp_path, name):
    model.save(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FitError, match=r"is not JSON|is damaged"):
        EffectModel.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FitError, match=f"{name} cannot be read"):
        EffectModel.load(tmp_path)


def test_a_failed_write_leaves_the_old_model(model, with_pairs, tmp_path, monkeypatch):
    model.save(tmp_path)
    before = model.predict(ASKED).delta

    def fail(_):
        raise OSError("disk full")

    monkeypatch.setattr("perturbridge._files.os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        with_pairs.save(tmp_path)
    assert np.array_equal(EffectModel.load(tmp_path).predict(ASKED).delta, before)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_loaded_model_still_knows_what_it_was_fitted_on(model, tmp_path):
    model.save(tmp_path)
    seen = model._fitted.trained_on[0]
    loaded = EffectModel.load(tmp_path)
    assert loaded.predict([seen, "NEVER_PERTURBED"]).in_training == (True, False)
    assert model.predict([seen, "NEVER_PERTURBED"]).in_training == (True, False)
