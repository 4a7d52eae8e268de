"""The compiled loop: when it is loaded, where it may look, and what happens where its machine code cannot be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SUM_A_SCREEN = """
import sys
import numpy as np
from scipy import sparse
from perturbridge.screens import ArraySource, pseudobulk
from perturbridge.values import Normalization, Screen, as_names

rng = np.random.default_rng(0)
values = rng.choice([0, 1, 2.5, 254, 255, 256, 257, 1e4], size=(40, 9)).astype(np.float32)
for kind in ("counts", "log1p"):
    screen = Screen(
        source=ArraySource(sparse.csr_matrix(values)),
        genes=tuple("abcdefghi"),
        perturbations=as_names(["P"]),
        perturbation_codes=np.arange(40) % 2 - 1,
        normalization=Normalization(kind=kind, place="X"),
    )
    assert kind == "log1p" or "numba" not in sys.modules, "the compiler was loaded before a cell was summed"
    print(pseudobulk(screen).fingerprint)
"""


def run(**environment: str) -> str:
    command = [sys.executable, "-W", "error", "-c", SUM_A_SCREEN]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_stays_within_its_arrays_and_needs_no_folder_for_machine_code(tmp_path: Path) -> None:
    """Counts at the edge of the table of small counts, under the compiler's own bounds check."""
    usual = run()
    assert len(usual.split()) == 2
    assert run(NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path)) == usual
    # This locator serves zip files alone, so there is no place to keep the code.
    assert run(NUMBA_CACHE_LOCATOR_CLASSES="ZipCacheLocator") == usual
