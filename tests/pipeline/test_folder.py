"""A run folder appears whole or not at all, and nothing but a run folder is ever replaced."""

from __future__ import annotations

import pytest

from perturbridge.errors import DataError
from perturbridge.pipeline._folder import new_folder


def write_run(target, text, *, overwrite=False):
    with new_folder(target, overwrite=overwrite) as folder:
        (folder / "manifest.json").write_text(text)
        (folder / "model").mkdir()
        (folder / "model" / "a.json").write_text(text)


def test_folder_appears_whole(tmp_path):
    write_run(tmp_path / "runs" / "a", "1")
    assert (tmp_path / "runs" / "a" / "model" / "a.json").read_text() == "1"
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["a"]


def test_nothing_is_left_after_a_fault(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / "a") as folder:
        (folder / "manifest.json").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_an_old_run_survives_a_fault_while_it_is_replaced(tmp_path):
    write_run(tmp_path / "a", "old")
    with pytest.raises(RuntimeError), new_folder(tmp_path / "a", overwrite=True):
        raise RuntimeError
    assert (tmp_path / "a" / "manifest.json").read_text() == "old"
    write_run(tmp_path / "a", "new", overwrite=True)
    assert (tmp_path / "a" / "manifest.json").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_run_is_not_replaced_unasked(tmp_path):
    write_run(tmp_path / "a", "old")
    with pytest.raises(DataError, match=r"exists already\..*--overwrite"):
        write_run(tmp_path / "a", "new")


def test_a_folder_that_is_no_run_is_never_replaced(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="is not a run folder"):
        write_run(tmp_path / "home", "new", overwrite=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is not a run folder"):
        write_run(tmp_path / "file", "new", overwrite=True)
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years of work"
