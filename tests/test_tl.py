"""The facade for AnnData: results in `uns` that survive a file, figures from them alone."""

import anndata as ad
import numpy as np
import pytest
from tests.pipeline._audited import planted

import perturbridge as pb
from perturbridge.errors import DataError

FAST = pb.AuditSettings(n_permutations=19, n_folds=2)
KEYS = {"context_key": "batch", "condition_key": "perturbation", "state_key": "cell_type", "settings": FAST}


@pytest.fixture(scope="module")
def audited():
    adata = planted(n=300, shift=3.0)
    reports = {name: pb.tl.audit(adata, use_rep=name, **KEYS) for name in ("X_leak", "X_clean")}
    return adata, reports


def test_audit_is_plain_in_uns_and_survives_a_file(audited, tmp_path):
    adata, reports = audited
    adata.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad")
    held = again.uns["perturbridge"]["audit"]["X_leak"]
    assert held["verdict"] == "fail"
    assert held["checks"]["readout_within"]["effect"] == pytest.approx(reports["X_leak"]["readout_within"].effect)
    for name, report in pb.pl.audit_reports(again).items():
        assert report.as_json() == reports[name].as_json()
        assert report.fingerprint == pb.Latent(z=again.obsm[name]).fingerprint


def test_figures_come_from_the_object_alone(audited):
    adata, _ = audited
    with pytest.raises(DataError, match="holds 2 audits"):
        pb.pl.audit(adata)
    with pytest.raises(DataError, match="no audit of 'X_lek'"):
        pb.pl.audit(adata, use_rep="X_lek")
    ax = pb.pl.audit(adata, use_rep="X_leak")
    assert "X_leak" in ax.get_title(loc="left")
    assert pb.pl.leak_and_biology(adata).get_xlabel().startswith("AUC")
    with pytest.raises(DataError, match="holds no audit"):
        pb.pl.audit(planted(n=20))


def test_without_use_rep_the_pca_of_the_counts_is_audited():
    adata = planted(n=200)
    report = pb.tl.audit(adata, **KEYS)
    assert report.latent == "PCA-16"
    assert list(adata.uns["perturbridge"]["audit"]) == ["PCA-16"]


def test_repair_writes_the_mildest_latent_that_passes():
    adata = planted(n=480, shift=2.0)
    before = adata.obsm["X_leak"].copy()
    rungs = pb.tl.repair(adata, use_rep="X_leak", **KEYS)
    assert [rung["step"] for rung in rungs] == ["as it is", "centre"]
    np.testing.assert_array_equal(adata.obsm["X_leak"], before)
    report = pb.pl.audit_reports(adata)["X_leak_repaired"]
    assert report.require(pb.Latent(z=adata.obsm["X_leak_repaired"]).fingerprint).verdict == "pass"
