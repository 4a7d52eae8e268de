"""Audits of latents that stay on disk, and of more cells than are looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest

import perturbridge._mapped as mapped
from perturbridge.audit import AuditSettings, audit_latent
from perturbridge.audit._duplicates import copies_across, near_copies_across
from perturbridge.pipeline import audit_data
from perturbridge.values import FittedStep, Latent

from ._audited import planted

FAST = AuditSettings(n_permutations=19, n_folds=2)
ROLES = {"context": "batch", "condition": "perturbation", "state": "cell_type"}


@pytest.fixture
def on_disk(monkeypatch):
    """Everything of one byte or more stays on disk and is read in stretches of some rows."""
    monkeypatch.setattr(mapped, "_LARGE", 1)
    monkeypatch.setattr(mapped, "_STRETCH", 1000)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "cells.h5ad"
    planted().write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def audited(path):
    return audit_data(path, rep=("X_leak", "X_clean"), settings=FAST, **ROLES)


def _reports(audited):
    return {name: json.dumps(report.as_json()) for name, report in audited.reports.items()}


def test_on_disk_or_in_memory_an_audit_is_the_same_to_the_last_bit(path, audited, on_disk):
    again = audit_data(path, rep=("X_leak", "X_clean"), settings=FAST, **ROLES)
    assert all(mapped.is_mapped(latent.z) for latent in again.latents.values())
    assert mapped.is_mapped(again.reference.latent.z)
    assert not any(mapped.is_mapped(latent.z) for latent in audited.latents.values())
    assert _reports(again) == _reports(audited)


def test_more_cells_than_are_looked_at_are_drawn_and_said_so(path, audited, monkeypatch):
    settings = replace(FAST, max_cells_seen=300)
    drawn = audit_data(path, rep=("X_leak", "X_clean"), settings=settings, **ROLES)
    for name, report in drawn.reports.items():
        checks = {check.name: check for check in report.checks}
        assert report.n_cells == 480
        assert report.fingerprint == audited.reports[name].fingerprint
        assert "Coordinates of about 300 of them are looked at" in checks["design"].evidence
        assert sum(checks["design"].figures["contexts"].values()) == 480
        assert 290 <= checks["readout_random"].figures["n_read"] <= 310
    assert drawn.failed == ("X_leak",)
    monkeypatch.setattr(mapped, "_LARGE", 1)
    assert _reports(audit_data(path, rep=("X_leak", "X_clean"), settings=settings, **ROLES)) == _reports(drawn)
    enough = replace(FAST, max_cells_seen=480)
    kept = audit_data(path, rep=("X_leak",), settings=enough, **ROLES).reports["X_leak"]
    assert [check.as_json() for check in kept.checks] == [c.as_json() for c in audited.reports["X_leak"].checks]


def test_cells_without_a_label_are_left_out_on_disk_as_in_memory(tmp_path, on_disk, monkeypatch):
    made = planted()
    np.save(tmp_path / "z.npy", made.obsm["X_leak"])
    made.obs.loc[made.obs_names[5:40], "batch"] = ""
    made.obs.to_csv(tmp_path / "labels.csv")
    arguments = {"labels": tmp_path / "labels.csv", "drop_unlabelled": True, "settings": FAST, **ROLES}
    first = audit_data(tmp_path / "z.npy", **arguments)
    monkeypatch.setattr(mapped, "_LARGE", 1 << 30)
    assert _reports(audit_data(tmp_path / "z.npy", **arguments)) == _reports(first)
    assert "35 cells without a label were left out" in first.reports["z"].checks[0].evidence


def test_copies_are_looked_for_among_all_cells_wherever_they_lie(on_disk):
    rng = np.random.default_rng(2)
    z, test = rng.normal(size=(900, 6)).astype(np.float32), np.arange(900) % 3 == 0
    z[[3, 300]] = z[[7, 500]]
    held = mapped.room(z.shape, np.float32)
    held[:] = z
    for a, b in zip(copies_across(z, test), copies_across(held, test), strict=True):
        assert a.tolist() == b.tolist()
    cells, mates = copies_across(held, test)
    assert sorted(zip(cells.tolist(), mates.tolist(), strict=True)) == [(3, 7), (300, 500)]
    z[[3, 300]] += np.float32(0.002)
    held[:] = z
    either = [
        near_copies_across(each, test, n_test=200, n_train=400, rng=np.random.default_rng(0)) for each in (z, held)
    ]
    assert either[0].n_found == either[1].n_found
    assert either[0].first == either[1].first
    assert either[0].n_intrinsic == pytest.approx(either[1].n_intrinsic, rel=1e-9)


def test_a_mapped_latent_with_training_cells_gives_the_report_of_one_in_memory(on_disk):
    made, trained = planted(), np.arange(480) % 2 == 0
    step = FittedStep(name="encoder", rows="train", split_hash="ab" * 32, n_cells=240)
    z = mapped.room((480, 5), np.float32)
    z[:] = made.obsm["X_clean"]
    reports = [
        audit_latent(
            Latent(z=each, trained=trained, steps=(step,), split_hash="ab" * 32),
            context=made.obs["batch"].to_numpy(),
            condition=made.obs["perturbation"].to_numpy(),
            settings=FAST,
        )
        for each in (z, np.array(z))
    ]
    either = [json.dumps([c.as_json() for c in report.checks if c.name != "pipeline"]) for report in reports]
    assert either[0] == either[1]
    assert reports[0].fingerprint == reports[1].fingerprint
    assert [report.checks[-1].figures["n_copies"] for report in reports] == [0, 0]


_PEAK = """
import sys
import perturbridge._mapped as mapped
from perturbridge.audit import AuditSettings
from perturbridge.pipeline import audit_data
mapped._LARGE, mapped._STRETCH = 1 << 19, 1 << 19
settings = AuditSettings(n_permutations=19, n_folds=2, max_cells=400, max_cells_seen=2000)
audit_data(sys.argv[1], rep="X_any", context="batch", condition="perturbation", settings=settings)
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_coordinates(tmp_path):
    from anndata.io import write_elem

    rng, peaks = np.random.default_rng(0), []
    for n in (10_000, 210_000):
        path = tmp_path / f"{n}.h5ad"
        with h5py.File(path, "w") as file:
            labels = {name: rng.integers(k, size=n) for name, k in (("batch", 3), ("perturbation", 20))}
            index = pd.RangeIndex(n).astype(str)
            obs = pd.DataFrame({name: pd.Categorical(codes.astype(str)) for name, codes in labels.items()}, index=index)
            write_elem(file, "obs", obs)
            file["obsm/X_any"] = rng.normal(size=(n, 64)).astype(np.float32)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, path], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr
        peaks.append(1024 * int(done.stdout))
    # 256 bytes of coordinates for each cell; labels take some tens.
    assert (peaks[1] - peaks[0]) / 200_000 < 100
