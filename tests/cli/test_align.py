"""`perturbridge align`: behind the gate, on a page and in tables; and what it refuses."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import perturbridge as pb


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A latent in which nothing of the chip can be read, one with a chip in it, a perturbation that moves cells and one that does not."""
    rng = np.random.default_rng(0)
    names = np.repeat(["non-targeting", "A_B", "=cmd()"], [600, 200, 200])
    n = len(names)
    chip, guide = rng.integers(3, size=n), rng.integers(3, size=n)
    z = rng.normal(size=(n, 6))
    z[names == "A_B"] += 0.8
    table = ad.AnnData(np.zeros((n, 0), dtype=np.float32))
    table.obs = pd.DataFrame(
        {
            "target": names,
            "chip": [f"c{c}" for c in chip],
            "guide": [f"{a}_{g}" for a, g in zip(names, guide, strict=True)],
        },
        index=[f"cell{i}" for i in range(n)],
    )
    table.obsm["X_clean"] = z
    table.obsm["X_leaky"] = z + 1.2 * np.eye(6)[chip]
    path = tmp_path_factory.mktemp("align") / "cells.h5ad"
    table.write_h5ad(path)
    return path


LABELS = ("--context", "chip", "--condition", "target")


def test_a_clean_latent_is_aligned_and_written(cells, call, tmp_path):
    ended = call("align", cells, "--rep", "X_clean", *LABELS, "--guide", "guide", "-o", tmp_path / "moved")
    assert ended.status == 0
    assert "the gate is open" in ended.out
    assert "control guides move cells" in ended.out.replace("\n", " ")
    table = pd.read_csv(tmp_path / "moved" / "perturbations.csv").set_index("perturbation")
    assert table.loc["A_B", "p"] == pytest.approx(0.005)
    assert len(table) == 2
    assert "A_B" in (tmp_path / "moved" / "alignment.html").read_text()
    moved = pb.read_alignment(tmp_path / "moved" / "alignment")
    shift = moved.displacement(np.zeros((1, 6)), "A_B", context="c0")
    np.testing.assert_allclose(shift, 0.8, atol=0.25)


def test_a_leaky_latent_is_refused_with_check_and_cure(cells, call, tmp_path):
    ended = call("align", cells, "--rep", "X_leaky", *LABELS, "-o", tmp_path / "moved")
    assert ended.status == 2
    assert "readout_within" in ended.err
    assert "--repair" in ended.err
    assert not (tmp_path / "moved").exists()


def test_a_repair_opens_the_gate_and_an_override_leaves_its_mark(cells, call):
    ended = call("align", cells, "--rep", "X_leaky", *LABELS, "--repair", "--json")
    assert ended.status == 0
    repaired = json.loads(ended.out)
    assert repaired["gate"]["override"] == ""
    assert repaired["audit"]["allows"] != "nothing"
    assert repaired["repair"][0]["verdict"] == "fail"
    ended = call("align", cells, "--rep", "X_leaky", *LABELS, "--override-audit", "a look", "--json")
    assert json.loads(ended.out)["gate"]["override"] == "a look"
    assert json.loads(ended.out)["audit"]["verdict"] == "fail"


def test_the_facade_writes_what_h5ad_can_hold(cells, tmp_path):
    adata = ad.read_h5ad(cells)
    settings = pb.AlignmentSettings(solver="bures")
    moved = pb.tl.align(adata, use_rep="X_clean", context_key="chip", condition_key="target", settings=settings)
    adata.write_h5ad(tmp_path / "out.h5ad")
    held = ad.read_h5ad(tmp_path / "out.h5ad").uns["perturbridge"]["align"]["X_clean"]
    assert list(held["perturbation"]) == [str(name) for name in moved.perturbations]


def test_labels_without_controls_are_refused(cells, call):
    ended = call("align", cells, "--rep", "X_clean", "--context", "chip", "--condition", "guide", "--control", "nobody")
    assert ended.status == 2
    assert "nobody" in ended.err
