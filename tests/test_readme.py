"""What the README says works as it is written."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import perturbridge as pb

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_blocks_run_as_written(tmp_path, cluster_client):
    go_words = pb.open_embedding("go_words")
    simulated = pb.simulate.screen(
        go_words, n_perturbations=20, n_genes=40, cells_per_perturbation=12, n_controls=60, seed=0
    )
    pb.write_screen(simulated, tmp_path / "screen.h5ad")
    rng = np.random.default_rng(0)
    genept = {gene: rng.normal(size=16).tolist() for gene in go_words.genes[::3]}
    (tmp_path / "GenePT.pickle").write_bytes(pickle.dumps(genept))
    first, second = re.findall(r"```python\n(.*?)```", TEXT, flags=re.S)
    assert '"tcp://host:8786"' in second
    second = second.replace("tcp://host:8786", cluster_client.scheduler.address)
    for block in (first, first + second):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
    assert not (tmp_path / "sums").exists()


def commands():
    blocks = re.findall(r"```\n(.*?)```", TEXT, flags=re.S)
    typed = re.findall(r"^(?:\$ )?perturbridge ([a-z].*?)(?:\s+#.*)?$", "\n".join(blocks), flags=re.M)
    return sorted({*typed, *re.findall(r"`perturbridge ([^`]+)`", TEXT)})


@pytest.mark.parametrize("line", commands())
def test_every_command_and_option_named_exists(line, capsys, monkeypatch):
    from perturbridge.cli import main

    monkeypatch.setenv("COLUMNS", "200")
    words = line.split()
    depth = 2 if words[0] in ("embed", "latent") else 1
    assert main([*words[:depth], "--help"]) == 0
    shown = capsys.readouterr().out
    for option in [word for word in words if word.startswith("-")]:
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", shown), option


def test_the_make_targets_and_files_named_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", TEXT, flags=re.M):
        assert f"\n{target}:" in makefile
    for name in re.findall(r"`(\d\d_\w+\.py)`", TEXT):
        assert (ROOT / "examples" / name).exists()
