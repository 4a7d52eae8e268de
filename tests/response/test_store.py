"""A saved response predicts the same numbers, or is refused."""

import json

import numpy as np
import pytest

from perturbridge.errors import FitError
from perturbridge.response import ResponseModel


def test_a_loaded_model_predicts_the_same(scene, base, tmp_path):
    base.save(tmp_path / "m")
    loaded = ResponseModel.load(tmp_path / "m")
    for name in ("G045", "G001+G046", "unheard-of"):
        assert np.array_equal(scene.moved(loaded, name), scene.moved(base, name))
    assert loaded.report_ == json.loads(json.dumps(base.report_))
    assert str(loaded.ladder_) == str(base.ladder_)
    assert loaded.perturbations_ == base.perturbations_
    assert loaded.settings == base.settings
    loaded.save(tmp_path / "again")
    for file in ("model.json", "model.safetensors"):
        assert (tmp_path / "m" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_damaged_and_strange_files_are_refused(base, tmp_path):
    base.save(tmp_path)
    text = json.loads((tmp_path / "model.json").read_text())
    arrays = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(FitError, match="cannot be read"):
        ResponseModel.load(tmp_path / "nowhere")
    (tmp_path / "model.safetensors").write_bytes(arrays[:-1] + bytes([arrays[-1] ^ 1]))
    with pytest.raises(FitError, match="damaged"):
        ResponseModel.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(arrays)
    for change, message in (
        ({"version": 99}, "version 99"),
        ({"format": "other"}, "not a response model"),
        ({"trained_on": text["trained_on"][1:]}, "whole model"),
        ({"alphas": "x"}, "whole model"),
    ):
        (tmp_path / "model.json").write_text(json.dumps(text | change))
        with pytest.raises(FitError, match=message):
            ResponseModel.load(tmp_path)


def test_an_unfitted_model_is_not_saved(scene, tmp_path):
    with pytest.raises(FitError, match="before it has learnt"):
        ResponseModel(scene.world.embedding).save(tmp_path)
