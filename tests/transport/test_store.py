"""An alignment on disk: the same to the last bit, or an error that says what is wrong."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.transport import SOLVERS, AlignmentSettings, align_latent, read_alignment, write_alignment
from perturbridge.values import Latent

HOSTILE = ["../../etc/passwd", "<script>alert(1)</script>", '=cmd|" /C calc"!A0', "Ünïcode", "a b", "A+B"]


def planted(*, solver="sinkhorn", seed=0, names=("A", "B"), state=None, **settings):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(300 + 60 * len(names), 4)) * np.r_[1.0, 1.0, 2.0, 0.5]
    z[300:] += 1.0 + z[300:, :1]
    condition = np.concatenate([np.repeat("control", 300), np.repeat(names, 60)])
    batch = np.array(["<b>0</b>", "../1"])[rng.integers(2, size=len(z))]
    given = AlignmentSettings(solver=solver, n_null=2, n_draws=19, **settings)
    return z, batch, align_latent(
        Latent(z=z), audit="override: naïve <b>", condition=condition, context=batch, state=state, settings=given
    )  # fmt: skip


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_displacements_come_back_to_the_last_bit(solver, tmp_path):
    z, batch, alignment = planted(solver=solver)
    write_alignment(alignment, tmp_path / "new" / "folder")
    again = read_alignment(tmp_path / "new" / "folder")
    for name in ("A", "B"):
        one, two = (a.displacement(z, name, context=batch) for a in (alignment, again))
        assert (one == two).all()
        assert again.report(name).as_json() == alignment.report(name).as_json()
    assert [plan.as_json() for plan in again.plans] == [plan.as_json() for plan in alignment.plans]


def test_everything_else_comes_back_too(tmp_path):
    _, _, alignment = planted()
    write_alignment(alignment, tmp_path)
    again = read_alignment(tmp_path)
    for name in ("perturbations", "contexts", "strata", "strata_by", "fingerprint", "split_hash", "findings"):
        assert getattr(again, name) == getattr(alignment, name)
    for name in ("centres", "control_weights", "context_mass", "cluster_centres"):
        assert (getattr(again, name) == getattr(alignment, name)).all()
    assert dict(again.audit) == dict(alignment.audit)
    assert dict(again.settings) == dict(alignment.settings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alignment.json", "alignment.safetensors"]


def test_names_are_only_names(tmp_path):
    z, batch, alignment = planted(names=HOSTILE)
    write_alignment(alignment, tmp_path / "here")
    again = read_alignment(tmp_path / "here")
    assert again.perturbations == alignment.perturbations
    for name in alignment.perturbations:
        assert (again.displacement(z, name, context=batch) == alignment.displacement(z, name, context=batch)).all()
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_states_without_a_plan_come_back(tmp_path):
    state = np.where(np.arange(420) % 40 == 0, "rare", "common")
    _, _, alignment = planted(state=state)
    assert {plan.level for plan in alignment.plans} > {"plan"}
    write_alignment(alignment, tmp_path)
    assert [plan.as_json() for plan in read_alignment(tmp_path).plans] == [p.as_json() for p in alignment.plans]


def test_writing_again_replaces_what_was_there(tmp_path):
    write_alignment(planted(names=("A", "B", "C"))[2], tmp_path)
    write_alignment(planted()[2], tmp_path)
    assert len(read_alignment(tmp_path).perturbations) == 2


def damaged(folder, text):
    about = json.loads((folder / "alignment.json").read_text())
    (folder / "alignment.json").write_text(json.dumps(about | text))


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda f: (f / "alignment.json").unlink(), "FileNotFoundError"),
        (lambda f: (f / "alignment.safetensors").unlink(), "FileNotFoundError"),
        (lambda f: (f / "alignment.json").write_text("[]"), "holds no alignment"),
        (lambda f: (f / "alignment.json").write_text("{"), "JSONDecodeError"),
        (lambda f: (f / "alignment.json").write_text("[" * 100_000), "RecursionError|JSONDecodeError"),
        (lambda f: (f / "alignment.safetensors").write_bytes(b"\x80\x04."), "SHA-256 differs"),
        (lambda f: damaged(f, {"schema": 99}), "schema 99"),
        (lambda f: damaged(f, {"self_maps": [{"kind": "os.system"}]}), "os.system"),
        (lambda f: damaged(f, {"reports": []}), "one displacement per perturbation"),
    ],
)
def test_a_damaged_folder_is_refused(harm, says, tmp_path):
    write_alignment(planted(strata="none")[2], tmp_path)
    harm(tmp_path)
    with pytest.raises(DataError) as caught:
        read_alignment(tmp_path)
    assert any(word in str(caught.value) + caught.value.cure for word in says.split("|"))


def test_arrays_of_another_alignment_are_refused(tmp_path):
    for seed in (0, 1):
        write_alignment(planted(seed=seed)[2], tmp_path / str(seed))
    shutil.copy(tmp_path / "0" / "alignment.safetensors", tmp_path / "1")
    with pytest.raises(DataError, match="belongs to another"):
        read_alignment(tmp_path / "1")


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    z, batch, alignment = planted()
    write_alignment(alignment, tmp_path)
    with pytest.raises(TypeError):
        write_alignment(replace(planted(seed=1)[2], settings={"seed": object()}), tmp_path)
    again = read_alignment(tmp_path)
    assert (again.displacement(z, "A", context=batch) == alignment.displacement(z, "A", context=batch)).all()
    assert len(list(tmp_path.iterdir())) == 2
