"""`torchrun … -m perturbridge latent fit`, as a person types it, with one of the processes killed on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from perturbridge.cli import main
from perturbridge.latent import LatentModel, Training

from ._together import ROOT
from .conftest import SMALL, small_screen
from .test_processes import write_store

CONFIG = """
[architecture]
n_latent = 4
n_hidden = 24

[training]
epochs = 15
batch_size = 64
precision = "fp32"
block_rows = 16
shuffle_rows = 64
checkpoint_steps = 5
"""


def start(folder, out, *arguments):
    command = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "perturbridge",
        "latent",
        "fit",
    ]
    files = [folder / "screen.zarr", "-o", folder / out, "--config", folder / "latent.toml", "--stream", "--json"]
    return subprocess.Popen(
        [sys.executable, *command, *(str(file) for file in files), *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def last_child(parent):
    table = subprocess.run(["ps", "-A", "-o", "ppid=,pid="], capture_output=True, text=True, check=True).stdout
    return max(int(pid) for above, pid in (line.split() for line in table.splitlines()) if int(above) == parent)


def test_a_run_of_two_ends_clearly_when_one_is_killed_and_goes_on(tmp_path):
    write_store(small_screen(), tmp_path / "screen.zarr")
    (tmp_path / "latent.toml").write_text(CONFIG)
    file = tmp_path / "run.safetensors"
    kept = ("--checkpoint", str(file))
    running = start(tmp_path, "model", *kept)
    while not file.exists():
        assert running.poll() is None, running.communicate()[1]
        time.sleep(0.02)
    os.kill(last_child(running.pid), signal.SIGKILL)
    killed = time.monotonic()
    out, err = running.communicate(timeout=120)
    assert time.monotonic() - killed < 60
    assert running.returncode != 0
    assert re.search(r"error: Process [01] of 2 stops: another one has ended or ", err), err
    assert f"Start the same command again: it goes on from the checkpoint {file}" in err
    assert not out
    # A process that is killed while it writes leaves a name that begins with a dot; what has a name of its own is whole.
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["latent.toml", "run.safetensors", "screen.zarr"]
    before = file.read_bytes()
    again = start(tmp_path, "model", *kept)
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    said = json.loads(out)
    assert said["epochs"] == 15
    assert file.read_bytes() != before
    model = LatentModel.load(tmp_path / "model", device="cpu")
    assert [record["epoch"] for record in model.history_] == list(range(1, 16))
    assert model.history_[-1] == said["last"]
    alone = LatentModel(architecture=SMALL, training=Training(epochs=15, batch_size=64, precision="fp32"))
    alone.fit(small_screen())
    assert said["last"]["held_out_elbo"] == pytest.approx(alone.history_[-1]["held_out_elbo"], rel=0.02)


@pytest.mark.parametrize(
    "command", [("run",), ("audit",), ("latent", "encode", "model"), ("latent", "diagnose", "model")]
)
def test_what_is_not_spread_is_refused_under_torchrun(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    out = () if command[-2:] == ("diagnose", "model") else ("-o", str(tmp_path / "out"))
    assert main([*command, str(tmp_path / "screen.h5ad"), *out]) == 2
    said = capsys.readouterr().err
    assert f"perturbridge {' '.join(c for c in command if c != 'model')} was started 2 times, this is process 1" in said
    assert "without torchrun" in said
    assert not (tmp_path / "out").exists()
