"""Split files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from perturbridge.errors import DataError, LeakageError
from perturbridge.screens import make_split, read_split, write_split

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["A", "B", "C", "D", "A+B", "C+D", "B+C", "naïve <b>", "=1", "A/B"]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "split.json"
    write_split(make_split(NAMES, kind="combination", folds=2, seed=3), path)
    return path


def test_round_trip(written: Path) -> None:
    split = make_split(NAMES, kind="combination", folds=2, seed=3)
    back = read_split(written)
    assert back.hash == split.hash
    assert back.as_json() == split.as_json()
    assert [p.name for p in written.parent.iterdir()] == ["split.json"]


def test_the_same_split_is_the_same_file(written: Path, tmp_path: Path) -> None:
    write_split(make_split(NAMES[::-1], kind="combination", folds=2, seed=3), tmp_path / "again.json")
    assert written.read_bytes() == (tmp_path / "again.json").read_bytes()


def test_a_name_moved_from_test_to_training_is_seen(written: Path) -> None:
    record = json.loads(written.read_text())
    fold = record["folds"][0]
    fold["train"].append(fold["test"].pop())
    fold["strata"].pop()
    written.write_text(json.dumps(record))
    with pytest.raises(LeakageError, match="was changed after it was written"):
        read_split(written)


def test_a_name_on_both_sides_is_seen(written: Path) -> None:
    record = json.loads(written.read_text())
    record["folds"][0]["train"].append(record["folds"][0]["test"][0])
    written.write_text(json.dumps(record))
    with pytest.raises(LeakageError, match="trains and tests on the same 1 perturbations"):
        read_split(written)


def test_layout_of_the_text_does_not_matter(written: Path) -> None:
    before = read_split(written).hash
    written.write_text(json.dumps(json.loads(written.read_text()), indent=7, sort_keys=True))
    assert read_split(written).hash == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("[1, 2]", "is not a split"),
        ('{"kind": "perturbation", "seed": 0, "folds": []}', "is not a split"),
        ('{"format": "perturbridge-split", "version": 2, "hash": ""}', "is of version 2"),
        ('{"format": "perturbridge-split", "version": 1, "hash": ""}', "This is not a split"),
        (
            '{"format": "perturbridge-split", "version": 1, "hash": "", "kind": 1, "seed": "x", "folds": []}',
            "not a split",
        ),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_no_split_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_split(path)


def test_a_missing_file_and_a_binary_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_split(tmp_path / "none.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not JSON"):
        read_split(tmp_path / "b.json")


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        write_split(make_split(NAMES), tmp_path / "no" / "split.json")
