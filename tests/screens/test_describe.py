from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse

from perturbridge.screens import describe_screen, read_screen


def test_what_is_in_a_screen(make_adata, write_h5ad):
    labels = ["ctrl"] * 20 + ["A+ctrl"] * 12 + ["A+B"] * 8 + ["X+ctrl"] + ["nan"] * 3 + ["ctrl+B"] * 4
    adata = make_adata(
        labels, obs={"batch": [f"b{i % 2}" for i in range(44)] + ["b2"] * 4, "donor": [f"d{i % 2}" for i in range(48)]}
    )
    path = write_h5ad(adata)
    found = describe_screen(read_screen(path))
    assert json.loads(json.dumps(found)) == found
    wanted = {
        "bytes_on_disk": path.stat().st_size,
        "n_cells": 48,
        "n_genes": 12,
        "n_perturbations": 4,
        "n_single_genes": 3,
        "n_combinations": 1,
        "n_control_cells": 20,
        "n_unassigned_cells": 3,
        "perturbation_column": "condition",
        "control_labels": ["ctrl"],
        "cells_per_perturbation": {"min": 1, "median": 6.0, "max": 12, "below_2": 1, "below_10": 3, "below_30": 4},
        "context": {"column": "batch", "n_levels": 3, "n_without": 0, "n_cells": {"b0": 22, "b1": 22, "b2": 4}},
        "controls_per_context": {"b0": 10, "b1": 10, "b2": 0},
        "targets": {"n_targets": 3, "n_measured": 2, "not_measured": ["X"]},
        "state": None,
    }
    assert {key: found[key] for key in wanted} == wanted
    assert found["layout"].startswith("sparse, by cell (CSR), ")
    assert found["values"]["kind"] == "counts"
    codes = {f["code"]: f for f in found["findings"]}
    assert codes["unmatched_context"]["count"] == 1
    assert "4 perturbed cells" in codes["unmatched_context"]["message"]
    assert codes["single_cells"]["example"] == "X"
    assert codes["absent_from_contexts"]["count"] == 4
    assert codes["unassigned_labels"]["count"] == 3
    assert found["next"] == f"perturbridge run {path} --drop-small -o runs/screen"


def test_cells_without_a_context_are_counted(make_adata):
    batch = [f"b{i // 4 % 2}" for i in range(48)]
    batch[0] = np.nan
    codes = {f["code"]: f for f in describe_screen(read_screen(make_adata(obs={"batch": batch})))["findings"]}
    assert codes["missing_context"]["count"] == 1


@pytest.mark.parametrize(("form", "said"), [("csr", "sparse, by cell"), ("csc", "sparse, by gene"), ("dense", "dense")])
def test_the_layout_is_said(make_adata, write_h5ad, form, said):
    adata = make_adata()
    adata.X = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": lambda x: x.toarray()}[form](adata.X)
    assert describe_screen(read_screen(write_h5ad(adata)))["layout"].startswith(said)


def test_the_next_command_repeats_what_was_said(make_adata, write_h5ad):
    path = write_h5ad(make_adata(["wild type", "A", "B", "B"]), "my screen.h5ad")
    explicit = describe_screen(read_screen(path, perturbation="condition", control="wild type"))["next"]
    assert (
        explicit
        == f"perturbridge run '{path}' --perturbation condition --control 'wild type' --context gem_group -o 'runs/my screen'"
    )
    preset = describe_screen(read_screen(write_h5ad(make_adata()), preset="gears"))["next"]
    assert "--preset gears" in preset
    assert describe_screen(read_screen(make_adata()))["next"] == "perturbridge.pseudobulk(screen)"
