"""A small screen on disk, and the program called as a person calls it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

import perturbridge as pb
from perturbridge.cli import main
from perturbridge.screens import write_screen


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def call(capsys):
    """Run the program in this process; returns its status and what it printed."""

    def run(*argv: object) -> Ended:
        capsys.readouterr()
        status = main([str(a) for a in argv])
        captured = capsys.readouterr()
        return Ended(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def made_screen(tmp_path_factory) -> Path:
    """A simulated screen on the shipped embedding."""
    path = tmp_path_factory.mktemp("screen") / "screen.h5ad"
    simulated = pb.simulate.screen(
        pb.open_embedding("go_words"), n_perturbations=24, n_genes=60, cells_per_perturbation=15, n_controls=90, seed=5
    )
    write_screen(simulated, path)
    return path


@pytest.fixture
def screen(made_screen, tmp_path) -> Path:
    """A copy of the simulated screen that a test may break."""
    return Path(shutil.copy(made_screen, tmp_path / "screen.h5ad"))
