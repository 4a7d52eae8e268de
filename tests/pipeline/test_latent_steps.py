"""Encoders as rungs of the repair ladder, and latents an audit makes itself."""

from __future__ import annotations

import numpy as np
import pytest

import perturbridge as pb
from perturbridge.audit import AuditSettings, RepairCells
from perturbridge.errors import DataError
from perturbridge.pipeline import audit_data
from perturbridge.pipeline._latent_steps import latent_steps
from perturbridge.values import Latent


@pytest.fixture(scope="module")
def screen():
    return pb.simulate.screen(
        n_perturbations=3, n_genes=40, cells_per_perturbation=60, n_controls=80, n_contexts=2, n_samples=1, seed=3
    ).screen


@pytest.mark.parametrize("name", ["conditional_vae", "split_subspaces", "adversary", "mmd"])
def test_a_step_encodes_the_cells_it_was_given_and_says_what_it_saw(screen, name):
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(screen.n_cells)[:-9])  # nine cells had no label
    latent = Latent(z=rng.normal(size=(len(rows), 3)), cells=rows, name="pca")
    cells = RepairCells(
        context=screen.context.codes[rows].astype(np.int64),
        strata=screen.perturbation_codes[rows].astype(np.int64) + 2,
        fit=rng.random(len(rows)) < 0.5,
    )
    (step,) = (s for s in latent_steps(screen) if s.name == name)
    repaired = step.apply(latent, cells)
    assert np.array_equal(repaired.cells, rows)
    assert np.array_equal(repaired.trained, cells.fit)
    assert repaired.n_dims == 16
    assert np.isfinite(repaired.z).all()
    assert repaired.name == f"pca, {name}"


def test_an_audit_makes_the_latents_it_is_asked_for(screen, tmp_path):
    pb.write_screen(screen, tmp_path / "screen.h5ad")
    audited = audit_data(
        tmp_path / "screen.h5ad",
        context="context",
        condition="perturbation",
        make=("PCA", "AE", "VAE"),
        settings=AuditSettings(n_permutations=19),
    )
    assert list(audited.reports) == ["PCA-16", "AE-16", "VAE-16"]
    half = audited.latents["AE-16"].trained
    assert half.sum() == screen.n_cells // 2
    # Half of the cells were theirs to see: nothing to reproach them with.
    assert all(report["pipeline"].verdict != "fail" for report in audited.reports.values())
    with pytest.raises(DataError, match="make is 'UMAP'"):
        audit_data(tmp_path / "screen.h5ad", context="context", make=("UMAP",))
