"""Transport on real data: the gate opens where gem groups cannot be read, and stays shut where replicates and donors can."""

import json

import pytest

from perturbridge.cli import main


@pytest.fixture
def align(data_dir, capsys):
    def run(*argv):
        status = main(["align", *(str(data_dir / a) if "/" in a else a for a in argv), "--json"])
        captured = capsys.readouterr()
        return status, captured.err if status else json.loads(captured.out)

    return run


def test_norman_opens_the_gate(align):
    status, record = align("screens/norman2019_k562_crispra.h5ad", "--context", "gemgroup", "--condition", "condition")
    assert status == 0
    assert record["gate"]["verdict"] == "pass"
    assert len(record["perturbations"]) == 33
    assert all(plan["level"] != "failed" for plan in record["plans"])
    names = {row["perturbation"] for row in record["perturbations"]}
    assert "KLF1" in names
    assert not any("ctrl" in name for name in names)


def test_papalexi_is_refused_and_after_its_repair_the_interferon_pathway_moves(align):
    labels = ("--context", "bio_rep", "--condition", "target")
    status, message = align("screens/papalexi2021_thp1_eccite.h5ad", *labels)
    assert status == 2
    assert "readout_within" in message
    status, record = align("screens/papalexi2021_thp1_eccite.h5ad", *labels, "--repair")
    assert status == 0
    sizes = {row["perturbation"]: row["size"] for row in record["perturbations"]}
    pathway = ("STAT1", "JAK2", "IFNGR1", "IFNGR2")
    rest = [size for name, size in sizes.items() if name not in (*pathway, "SMAD4")]
    assert min(sizes[name] for name in pathway) > max(rest)
