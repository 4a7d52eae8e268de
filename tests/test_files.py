"""Files appear whole or not at all."""

from __future__ import annotations

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


@pytest.mark.parametrize("text", ["=1+1", "+A", "-A", "@A", "\tA", "'A", "''", "A", ""])
def test_names_that_a_spreadsheet_would_run_are_guarded_and_come_back(text):
    guarded = guard_formula(text)
    assert not guarded.startswith(("=", "+", "-", "@", "\t"))
    assert unguard_formula(guarded) == text
