"""The main job on real files, untouched, through the command line."""

from __future__ import annotations

import json

import pytest

from perturbridge.cli import main

SCREENS = {
    "norman2019_k562_crispra.h5ad": ["matrices_differ", "empty_genes"],
    "papalexi2021_thp1_eccite.h5ad": [],
    "adamson2016_mini.h5ad": [],
}


@pytest.mark.parametrize("name", SCREENS)
def test_run_on_a_real_screen(name, data_dir, tmp_path, capsys):
    argv = ["run", str(data_dir / "screens" / name), "--no-cell-level", "-o", str(tmp_path / "a")]
    if name.startswith("adamson"):
        argv += ["-e", str(data_dir / "embeddings" / "genept_ada002_adamson10.pickle")]
    assert main(argv) == 0
    printed = " ".join(capsys.readouterr().out.split())
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    codes = {finding["code"]: finding for finding in manifest["findings"]}
    assert set(SCREENS[name]) <= set(codes)
    for code in SCREENS[name]:
        assert codes[code]["message"].rstrip(".") in printed
    for source in manifest["embeddings"]:
        for gene in source["missing"]:
            assert gene in printed or len(source["missing"]) > 12
    if name.startswith("norman"):
        assert codes["matrices_differ"]["count"] == 2
        assert codes["empty_genes"]["count"] == 250
    assert (tmp_path / "a" / "report.html").stat().st_size > 20_000
