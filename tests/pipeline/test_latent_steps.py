"""Encoders as rungs of the repair ladder, and latents an audit makes itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import perturbridge as pb
from perturbridge.audit import AuditSettings, RepairCells
from perturbridge.errors import DataError
from perturbridge.pipeline import audit_data, write_audit
from perturbridge.pipeline._audit_inputs import Groupings
from perturbridge.pipeline._encoders import _labelled
from perturbridge.pipeline._latent_steps import latent_steps
from perturbridge.values import CONTROL_CODE, UNASSIGNED_CODE, Labels, Latent


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
        make=("PCA", "AE", "VAE+mmd=5+classifier"),
        settings=AuditSettings(n_permutations=19),
    )
    assert list(audited.reports) == ["PCA-16", "AE-16", "VAE-16+mmd=5+classifier"]
    write_audit(audited, tmp_path / "audit")
    assert (tmp_path / "audit" / "side_by_side.svg").read_text().count("<svg") == 1
    probes = pd.read_csv(tmp_path / "audit" / "probes.csv")
    assert {"accuracy", "roc_auc", "f1"} < set(probes.columns)
    assert set(probes["latent"]) == set(audited.reports)
    half = audited.latents["AE-16"].trained
    assert half.sum() == screen.n_cells // 2
    # Half of the cells were theirs to see: nothing to reproach them with.
    assert all(report["pipeline"].verdict != "fail" for report in audited.reports.values())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ("UMAP", "make is 'UMAP'"),
        ("PCA+mmd", "PCA has no penalties"),
        ("VAE+mdm", "penalty is 'mdm'"),
        ("scanvi", "no state was named"),
        ("biolord", "no condition was named"),
    ],
)
def test_a_latent_that_cannot_be_made_is_refused(screen, tmp_path, make, message):
    pb.write_screen(screen, tmp_path / "screen.h5ad")
    with pytest.raises(DataError, match=message):
        audit_data(tmp_path / "screen.h5ad", context="context", make=(make,))


def test_an_encoder_sees_conditions_and_states_as_they_are():
    groupings = Groupings(
        by_role={
            "context": Labels("batch", ("a", "b"), np.array([0, 1, 0, 1])),
            "condition": Labels("p", ("<b>", "ctrl", "x,y"), np.array([0, 1, 2, -1])),
            "state": Labels("t", ("s",), np.zeros(4, dtype=np.int32)),
        },
        control=np.array([False, True, False, False]),
        explanation=(),
    )
    bare = pb.simulate.screen(n_perturbations=1, n_genes=3, cells_per_perturbation=2, n_controls=2).screen
    told = _labelled(replace(bare, context=None, sample=None, state=None), groupings)
    assert told.perturbation_codes.tolist() == [0, CONTROL_CODE, 1, UNASSIGNED_CODE]
    assert len(told.perturbations) == 2
    assert told.context is groupings.by_role["context"]
    assert told.state is groupings.by_role["state"]
