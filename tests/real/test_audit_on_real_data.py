"""The audit of real data through the command line, with the verdicts that are known of it."""

import json

import pytest

from perturbridge.cli import main

FAST = ["--permutations", "99", "--max-cells", "2000", "--json"]


@pytest.fixture
def audit(data_dir, capsys):
    def run(*argv):
        status = main(["audit", *(str(data_dir / a) if "/" in a else a for a in argv), *FAST])
        return status, json.loads(capsys.readouterr().out)["reports"]

    return run


def checks_of(report):
    return {check["name"]: check for check in report["checks"]}


def test_norman_gem_groups_pass(audit):
    status, reports = audit("screens/norman2019_k562_crispra.h5ad", "--context", "gemgroup", "--condition", "condition")
    assert status == 0
    assert reports["PCA-16"]["verdict"] == "pass"
    assert reports["PCA-16"]["allows"] == "any pairs"


def test_papalexi_replicates_fail_and_controls_alone_too(audit):
    status, reports = audit("screens/papalexi2021_thp1_eccite.h5ad", "--context", "bio_rep", "--condition", "target")
    assert status == 3
    checks = checks_of(reports["PCA-16"])
    for name in ("readout_within", "readout_controls"):
        assert checks[name]["verdict"] == "fail"
        assert checks[name]["p"] <= 0.05


def test_kang_donors_fail_also_inside_one_cell_type(audit):
    status, reports = audit("multibatch/kang2018_pbmc_8donors.h5ad", "--context", "sample_id", "--state", "cluster_id")
    assert status == 3
    within = checks_of(reports["PCA-16"])["readout_within"]
    assert within["verdict"] == "fail"
    monocytes = next(row for row in within["figures"]["by_state"] if row["state"] == "CD14+ Monocytes")
    assert monocytes["auc"] - 3 * monocytes["standard_error"] > 0.5


def test_stimulation_is_biology_kept_and_no_leak(audit):
    argv = ["multibatch/kang2018_pbmc_ifnb_2donors.h5ad", "--condition", "group_id", "--state", "cluster_id"]
    status, reports = audit(*argv, "--context", "donor", "--sample", "sample_id")
    assert status == 3
    checks = checks_of(reports["PCA-16"])
    kept = {row["role"]: row for row in checks["kept"]["figures"]["labels"]}
    assert checks["kept"]["verdict"] == "pass"
    assert kept["perturbed v control"]["auc"] > 0.98
    # The leak is that of the donors: what the stimulation does is as plain, and no part of it.
    assert checks["readout_within"]["effect"] < 0.8
    assert checks["readout_held_out"]["verdict"] == "underpowered"
    assert checks["readout_held_out"]["p_attainable"] == pytest.approx(1 / 3)


def test_harmony_takes_most_of_the_donor_out(audit):
    folder = "latents/harmonypy_pbmc_3500"
    before, after = "harmonypy_pbmc_3500_pcs", "harmonypy_pbmc_3500_pcs_harmonized"
    status, reports = audit(
        f"{folder}_pcs.tsv.gz",
        "--rep",
        f"{folder}_pcs_harmonized.tsv.gz",
        "--labels",
        f"{folder}_meta.tsv.gz",
        "--context",
        "donor",
    )
    assert status == 3
    leak = {name: checks_of(reports[name])["readout_random"] for name in (before, after)}
    assert leak[before]["verdict"] == "fail"
    assert leak[before]["low"] > 0.95
    assert leak[after]["high"] < 0.75
    # No cell types come with these files, so the mix of cells of a donor is read along: a straight line reads next to none of it.
    linear = next(probe for probe in leak[after]["figures"]["probes"] if probe["probe"] == "linear")
    assert linear["balanced_accuracy"] == pytest.approx(linear["chance"], abs=0.03)
