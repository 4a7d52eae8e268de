"""Files appear whole or not at all."""

from __future__ import annotations

import subprocess
import sys

import pytest

from perturbridge._files import atomic_file, guard_formula, unguard_formula
from perturbridge.errors import DataError


def test_file_appears_whole_and_keeps_its_ending(tmp_path):
    with atomic_file(tmp_path / "a.csv") as temporary:
        assert temporary.suffix == ".csv"
        temporary.write_text("x")
        assert not (tmp_path / "a.csv").exists()
    assert (tmp_path / "a.csv").read_text() == "x"
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o644


def test_an_old_file_survives_a_fault(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a.csv") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_a_folder_that_is_not_there_is_an_error_of_ours(tmp_path):
    with (
        pytest.raises(DataError, match="cannot be written: No such file or directory"),
        atomic_file(tmp_path / "no" / "a.csv"),
    ):
        pass


FULL = """
import resource, sys
import numpy as np
import perturbridge as pb
from perturbridge._files import atomic_file
from perturbridge.errors import DataError
from perturbridge.screens.summing import _kept
from perturbridge.screens.summing._fixed_point import Accumulator

folder, what = sys.argv[1:]
effects = pb.Effects.from_delta(np.ones((200, 500)), perturbations=[f"G{i}" for i in range(200)])
table = np.ones((200, 500), dtype=np.int64)
sums = Accumulator(sums=table, squares=table, detected=table.astype(np.int32), n_perturbed=table[:, :1], n_control=table[0, :1])
pb.write_effects(effects, f"{folder}/warm.h5ad")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    if what == "effects":
        pb.write_effects(effects, f"{folder}/old")
    elif what == "sums":
        _kept.KeptFile(f"{folder}/old", "mark")(sums)
    else:
        with atomic_file(f"{folder}/old") as temporary:
            temporary.write_bytes(bytes(10**6))
except DataError as error:
    print(error)
"""


@pytest.mark.parametrize("what", ["effects", "sums", "bytes"])
def test_a_full_disk_is_an_error_of_ours_and_leaves_what_was_there(tmp_path, what):
    (tmp_path / "old").write_text("old")
    ran = subprocess.run([sys.executable, "-c", FULL, tmp_path, what], capture_output=True, text=True, check=True)
    assert "cannot be written: file too large" in ran.stdout
    assert "Free some room" in ran.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old", "warm.h5ad"]
    assert (tmp_path / "old").read_text() == "old"


@pytest.mark.parametrize("text", ["=1+1", "+A", "-A", "@A", "\tA", "'A", "''", "A", ""])
def test_names_that_a_spreadsheet_would_run_are_guarded_and_come_back(text):
    guarded = guard_formula(text)
    assert not guarded.startswith(("=", "+", "-", "@", "\t"))
    assert unguard_formula(guarded) == text
