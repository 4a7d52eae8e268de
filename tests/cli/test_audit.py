"""`perturbridge audit` as a person types it: verdict first, exit status, files, one line on bad input."""

import json

import anndata as ad
import numpy as np
import pytest
from tests.pipeline._audited import planted

from perturbridge.pipeline import read_audit

FAST = ("--permutations", "19")
ROLES = ("--context", "batch", "--condition", "perturbation", "--state", "cell_type")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "cells.h5ad"
    planted(n=240, shift=3.0).write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def one_context(tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "one.h5ad"
    cells = planted(n=120)
    cells.obs["batch"] = "all"
    cells.write_h5ad(path)
    return path


def test_verdict_first_then_checks_evidence_cure_and_status_3(made, call, tmp_path):
    ended = call("audit", made, "--rep", "X_leak", *ROLES, *FAST, "--probes", "--repair", "-o", tmp_path / "out")
    assert ended.status == 3, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("!! FAIL: X_leak fails, by readout_within (AUC ")
    printed = " ".join(ended.out.split())
    order = [
        "Do not transport in this latent",
        "Context: 'batch' (2 levels)",
        "check verdict effect p",
        "What to do: Repair",
    ]
    order += [
        "What every probe reads",
        "random, within strata",
        "Repair of X_leak",
        "Written to",
    ]
    places = [printed.index(text) for text in order]
    assert places == sorted(places)
    assert "\x1b" not in ended.out
    reports = read_audit(tmp_path / "out" / "audit.json")
    assert reports["X_leak"].verdict == "fail"
    assert (tmp_path / "out" / "audit.html").stat().st_size > 20_000


def test_json_on_standard_output_and_in_a_file(made, call, tmp_path):
    ended = call("audit", made, "--rep", "X_leak", *ROLES, *FAST, "--json", "-o", tmp_path / "a.json")
    assert ended.status == 3
    printed = json.loads(ended.out)
    assert printed == json.loads((tmp_path / "a.json").read_text())
    assert printed["reports"]["X_leak"]["verdict"] == "fail"
    assert call("audit", made, *ROLES, "-o", tmp_path / "a.json").status == 2


def test_what_cannot_be_answered_is_no_pass_and_stops_where_any_pairs_are_asked_for(one_context, call):
    ended = call("audit", one_context, "--rep", "X_clean", *ROLES, *FAST)
    assert ended.status == 0
    assert ended.out.startswith("!! NOT_IDENTIFIABLE: ")
    assert "This is no pass" in " ".join(ended.out.split())
    assert call("audit", one_context, "--rep", "X_clean", *ROLES, *FAST, "--pairs", "any").status == 3


def test_several_latents_stand_in_one_table(made, call):
    ended = call("audit", made, "--rep", "X_leak", "--rep", "X_clean", *ROLES, *FAST)
    assert ended.status == 3
    table = ended.out[ended.out.index("Side by side") :].splitlines()
    assert [line.split()[:2] for line in table[2:4]] == [["X_leak", "fail"], ["X_clean", table[3].split()[1]]]
    assert table[3].split()[1] != "fail"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--rep", "X_lek", "--context", "batch"), "Nearest keys: 'X_leak'"),
        (("--context", "bacth"), "Nearest names: 'batch'"),
        ((), "--context"),
        (("--context", "batch", "--tolerance", "2"), "from 0.5 to 1"),
        (("--context", "batch", "--permutations", "3"), "from 19"),
        (("--context", "batch", "--labels", "meta.csv"), "labels of its own"),
        (("--context", "batch", "--place", "layers/none"), "has no matrix at"),
    ],
)
def test_bad_input_is_one_line_and_status_2(argv, message, made, call):
    ended = call("audit", made, *argv)
    assert ended.status == 2
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert message in ended.err


def test_nan_names_the_entry(call, tmp_path):
    cells = planted(n=60)
    cells.obsm["X_leak"][5, 1] = np.nan
    cells.write_h5ad(tmp_path / "nan.h5ad")
    ended = call("audit", tmp_path / "nan.h5ad", "--rep", "X_leak", "--context", "batch")
    assert ended.status == 2
    assert "the first at (5, 1)" in ended.err
    assert ad.read_h5ad(tmp_path / "nan.h5ad").n_obs == 60
    assert sorted(p.name for p in tmp_path.iterdir()) == ["nan.h5ad"]
