"""The audit of latents in files: what is read, what is refused, what is written."""

import json
import re

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest

import perturbridge as pb
from perturbridge.audit import AuditSettings, audit_latent
from perturbridge.errors import DataError, LeakageError
from perturbridge.pipeline import (
    audit_data,
    audit_json,
    audit_section,
    meaning_for_transport,
    probes_table,
    read_audit,
    repair_audited,
    write_audit,
)
from perturbridge.report import Report, render_report
from perturbridge.values import Latent

from ._audited import N, planted

FAST = AuditSettings(n_permutations=19, n_folds=2)
ROLES = {"context": "batch", "condition": "perturbation", "state": "cell_type"}


@pytest.fixture(scope="module")
def adata():
    return planted()


@pytest.fixture(scope="module")
def path(adata, tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "cells.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def audited(path):
    return audit_data(path, rep=("X_leak", "X_clean"), settings=FAST, **ROLES)


def test_latents_side_by_side_and_the_same_as_each_array_alone(audited, adata):
    assert {name: report.verdict for name, report in audited.reports.items()} == {"X_leak": "fail", "X_clean": "pass"}
    assert audited.failed == ("X_leak",)
    alone = audit_latent(
        adata.obsm["X_leak"],
        context=adata.obs["batch"].to_numpy(),
        condition=adata.obs["perturbation"].to_numpy(),
        state=adata.obs["cell_type"].to_numpy(),
        library_size=np.asarray(adata.X.sum(axis=1)).ravel(),
        reference=audited.reference.latent.z,
        settings=FAST,
    )
    for check in alone.checks:
        np.testing.assert_allclose(audited.reports["X_leak"][check.name].effect, check.effect, rtol=1e-6)
    assert audited.reports["X_leak"].fingerprint == alone.fingerprint


def test_what_was_read_is_said(audited):
    said = " ".join(audited.explanation)
    for text in (
        "Context: 'batch' (2 levels)",
        "Controls: 'control'",
        "No sample was named, though 'donor' could be one",
        "Reference: PCA-16 of log1p CP10,000: the 20 genes",
        f"all {N} cells",
    ):
        assert text in said


def test_memory_and_file_give_the_same_report(adata, audited):
    again = audit_data(adata, rep="X_clean", settings=FAST, **ROLES)
    assert again.reports["X_clean"].as_json() == audited.reports["X_clean"].as_json()


def test_without_a_latent_the_pca_of_the_counts_is_audited(path, adata):
    found = audit_data(path, settings=FAST, **ROLES)
    (latent,) = found.latents.values()
    counts = adata.X.toarray().astype(np.float64)
    x = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(latent.z), np.abs(u * s)[:, :16], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(found.reference.library_size, counts.sum(axis=1))
    assert found.reports["PCA-16"].verdict != "fail"
    assert "Library size alone" in found.reports["PCA-16"]["readout_random"].evidence


def test_tables_alone_and_in_any_order(adata, tmp_path, audited):
    frame = pd.DataFrame(adata.obsm["X_leak"], index=adata.obs_names, columns=[f"z{i}" for i in range(5)])
    frame.to_csv(tmp_path / "z.csv", index_label="cell")
    np.save(tmp_path / "clean.npy", adata.obsm["X_clean"])
    adata.obs.iloc[::-1].to_csv(tmp_path / "meta.tsv", sep="\t", index_label="cell")
    found = audit_data(
        tmp_path / "z.csv", rep=(str(tmp_path / "clean.npy"),), labels=tmp_path / "meta.tsv", settings=FAST, **ROLES
    )
    assert list(found.reports) == ["z", "clean"]
    assert found.reports["z"].verdict == "fail"
    for name, other in (("z", "X_leak"), ("clean", "X_clean")):
        mine, theirs = (r["readout_within"].effect for r in (found.reports[name], audited.reports[other]))
        assert mine == pytest.approx(theirs, abs=1e-6)
    assert "no usable counts" in " ".join(found.explanation)


def test_a_file_of_coordinates_beside_an_h5ad(path, adata, tmp_path):
    np.save(tmp_path / "mine.npy", adata.obsm["X_leak"])
    found = audit_data(path, rep=str(tmp_path / "mine.npy"), settings=FAST, **ROLES)
    assert list(found.reports) == ["mine"]


def test_the_gate_reads_a_written_audit(audited, tmp_path):
    write_audit(audited, tmp_path / "out", command="as typed")
    reports = read_audit(tmp_path / "out" / "audit.json")
    assert reports["X_clean"].require(audited.latents["X_clean"].fingerprint) is reports["X_clean"]
    with pytest.raises(LeakageError, match="not of this one"):
        reports["X_clean"].require(audited.latents["X_leak"].fingerprint)
    with pytest.raises(LeakageError, match="readout_within"):
        reports["X_leak"].require()
    assert reports["X_leak"].as_json() == audited.reports["X_leak"].as_json()
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "audit.json",
        "audit.html",
        "manifest.json",
        "probes.csv",
        "probes_X_leak.svg",
        "probes_X_clean.svg",
        "side_by_side.svg",
    }
    assert len(pd.read_csv(tmp_path / "out" / "probes.csv")) == len(probes_table(audited.reports).rows)
    with pytest.raises(DataError, match="exists already"):
        write_audit(audited, tmp_path / "out")
    with pytest.raises(DataError, match="is not an audit"):
        read_audit(tmp_path / "out" / "manifest.json")


def test_repair_is_saved_and_passes(audited, tmp_path):
    repairs = repair_audited(audited)
    assert set(repairs) == {"X_leak"}
    assert repairs["X_leak"].chosen.step == "centre"
    write_audit(audited, tmp_path / "out", repairs=repairs)
    z = np.load(tmp_path / "out" / "repaired_X_leak.npy")
    assert Latent(z=z).fingerprint == repairs["X_leak"].chosen.report.fingerprint
    record = json.loads((tmp_path / "out" / "audit.json").read_text())["repairs"]["X_leak"]
    assert record["chosen"] == "centre"
    assert [rung["step"] for rung in record["rungs"]] == ["as it is", "centre"]
    assert "mildest step that passes" in (tmp_path / "out" / "audit.html").read_text()


def test_hostile_names_stay_text(adata, tmp_path):
    hostile = "<script>alert(1)</script>$x$"
    named = ad.AnnData(obs=adata.obs.copy(), obsm={hostile.replace("/", "|"): adata.obsm["X_leak"]})
    named.obs["batch"] = named.obs["batch"].map({"b0": hostile, "b1": '"><img src=x>'})
    found = audit_data(named, rep=hostile.replace("/", "|"), settings=FAST, **ROLES)
    write_audit(found, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<img" not in page
    assert 'src="http' not in page
    section = audit_section(found.reports)
    assert "<script>alert" not in render_report(Report(title="", answer="", sections=(section,), footer=""))


def change_obs(column, change):
    def edit(adata):
        adata.obs[column] = change(adata.obs[column].astype(object))

    return edit


def nan_in_z(adata):
    adata.obsm["X_leak"][7, 2] = np.nan


REFUSED = {
    "unknown rep": ({"rep": "X_lek"}, None, r"no obsm\['X_lek'\].*'X_leak'"),
    "unknown column": ({"context": "bach"}, None, r"no cell column 'bach', which context asks for.*'batch'"),
    "unknown control": ({"control": "contrl"}, None, r"No cell has the label 'contrl'.*'control'"),
    "control without condition": ({"control": "control", "condition": None}, None, r"no column of conditions"),
    "no context": ({"context": None}, None, r"needs a context.*--context.*'batch', 'donor' read like one"),
    "nan": ({}, nan_in_z, r"X_leak.*1 entries that are NaN.*\(7, 2\)"),
    "missing label": (
        {},
        change_obs("batch", lambda c: c.where(c.index != "cell9", None)),
        r"1 of 480 cells have no context \('batch'\), the first is cell 9.*--drop-unlabelled",
    ),
    "empty column": ({}, change_obs("batch", lambda c: c.map(lambda _: None)), r"'batch'.* is empty in all 480 cells"),
    "named twice": ({"rep": ("X_leak", "X_leak")}, None, r"named 2 times"),
    "labels beside labels": ({"labels": "meta.csv"}, None, r"has labels of its own"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_clear_error(case, adata):
    given, edit, message = REFUSED[case]
    changed = adata.copy()
    if edit is not None:
        edit(changed)
    with pytest.raises(DataError, match=message):
        audit_data(changed, **{"rep": "X_leak", "settings": FAST, **ROLES, **given})


def test_wrong_files_are_refused(tmp_path, path):
    (tmp_path / "a.h5ad").write_bytes(b"hello")
    with pytest.raises(DataError, match="not an HDF5 file"):
        audit_data(tmp_path / "a.h5ad", context="batch")
    with pytest.raises(DataError, match=r"no file.*none\.h5ad"):
        audit_data(tmp_path / "none.h5ad", context="batch")
    np.save(tmp_path / "z.npy", np.zeros((3, 2)))
    with pytest.raises(DataError, match=r"coordinates without labels.*--labels"):
        audit_data(tmp_path / "z.npy", context="batch")
    with pytest.raises(DataError, match=r"'z' has 3 rows for the 480 cells"):
        audit_data(path, rep=str(tmp_path / "z.npy"), **ROLES)


def test_a_matrix_that_is_no_counts_needs_a_latent(path, tmp_path):
    scaled = tmp_path / "scaled.h5ad"
    scaled.write_bytes(path.read_bytes())
    with h5py.File(scaled, "r+") as file:
        file["X/data"][:] = file["X/data"][:] - 1.5
    with pytest.raises(DataError, match=r"negative.*--rep.*'X_clean'"):
        audit_data(scaled, **ROLES)
    found = audit_data(scaled, rep="X_clean", settings=FAST, **ROLES)
    assert found.reference is None
    assert "negative" in " ".join(found.explanation)


def with_batches(labels):
    made = planted()
    made.obs["batch"] = labels
    return made


def test_unlabelled_cells_are_left_out_when_asked_and_counted():
    labels = np.array([f"b{i % 2}" for i in range(N)], dtype=object)
    labels[:30] = None
    found = audit_data(with_batches(labels), rep="X_clean", drop_unlabelled=True, settings=FAST, **ROLES)
    assert "30 cells without a label were left out" in found.reports["X_clean"]["design"].evidence


@pytest.mark.parametrize(
    ("labels", "verdicts", "message"),
    [
        (["one"] * N, ("not_identifiable",), "a leak needs two"),
        (["few"] * 3 + ["a", "b"] * ((N - 3) // 2) + ["a"], ("warn", "fail"), "fewer than 10 cells.*'few' with 3"),
        ([f"b{i % 500}" for i in range(N)], ("not_identifiable",), "fewer than 10 cells"),
        ([f"b{i % 40}" for i in range(N)], ("pass", "warn", "underpowered"), "40 contexts"),
    ],
    ids=["one context", "a context of 3 cells", "a context for each cell", "40 contexts"],
)
def test_designs_that_cannot_answer_are_never_a_pass(labels, verdicts, message):
    report = audit_data(with_batches(labels), rep="X_clean", settings=FAST, **ROLES).reports["X_clean"]
    assert report.verdict in verdicts
    assert re.search(message, report["design"].evidence)
    if report.verdict == "not_identifiable":
        with pytest.raises(LeakageError):
            report.require()
        assert report.require(pairs="within context") is report


def test_a_one_sample_design_says_so():
    made = with_batches([f"b{i % 2}" for i in range(N)])
    report = audit_data(made, rep="X_clean", sample="batch", settings=FAST, **ROLES).reports["X_clean"]
    assert report["readout_held_out"].verdict == "not_identifiable"
    assert "has 1 sample" in report["readout_held_out"].evidence


def test_a_constant_dimension_is_counted():
    made = planted()
    made.obsm["X_clean"][:, 3] = 1.0
    report = audit_data(made, rep="X_clean", settings=FAST, **ROLES).reports["X_clean"]
    assert "1 of 5 dimensions are constant, the first is 3" in report["design"].evidence
    assert report.verdict == "pass"


def test_noise_keeps_no_biology_and_has_no_repair(adata):
    noise = adata.copy()
    noise.obsm["X_noise"] = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
    found = audit_data(noise, rep="X_noise", settings=FAST, **ROLES)
    assert found.reports["X_noise"].decisive.name == "kept"
    assert meaning_for_transport(found.reports["X_noise"]).endswith("the biology is not in it.")
    assert repair_audited(found) == {}


def test_json_is_plain(audited):
    text = json.dumps(audit_json(audited), allow_nan=False)
    assert json.loads(text)["reports"]["X_leak"]["verdict"] == "fail"
    assert pb.audit_data is audit_data
