"""Splits of GEARS, of STATE and as tables: written by them, read here, and back."""

from __future__ import annotations

import csv
import os
import pickle
import tomllib
from pathlib import Path

import numpy as np
import pytest

from perturbridge.errors import DataError, LeakageError
from perturbridge.screens import make_split, read_split, write_split
from perturbridge.values import as_names

WRITTEN = Path(__file__).parents[1] / "golden" / "gears_0_1_2"
NAMES = ["A", "B", "C", "D", "E", "A+B", "C+D", "A+E", "HLA-A", "=1", "naïve <b>"]


def gears(path, *, subgroup=False):
    """Write what GEARS writes: lists and numpy arrays of conditions."""
    sets = {
        "train": ["A+ctrl", "ctrl+B", "ctrl", "A+B"],
        "val": ["C+ctrl"],
        "test": np.array(["D+ctrl", "B+D", "ctrl+E", "D+E"], dtype=object),
    }
    path.write_bytes(pickle.dumps(sets))
    if subgroup:
        groups = {
            "val_subgroup": {},
            "test_subgroup": {
                "combo_seen0": ["D+E"],
                "combo_seen1": ["B+D"],
                "combo_seen2": [],
                "unseen_single": ["D+ctrl", "ctrl+E"],
            },
        }
        path.with_name(f"{path.stem}_subgroup.pkl").write_bytes(pickle.dumps(groups))
    return path


@pytest.mark.parametrize("subgroup", [True, False])
def test_gears_is_read_as_it_was_meant(tmp_path, subgroup):
    split = read_split(gears(tmp_path / "norman_simulation_1_0.75.pkl", subgroup=subgroup))
    (fold,) = split.folds
    assert [str(n) for n in fold.train] == ["A", "B", "A+B", "C"]
    assert dict(zip(map(str, fold.test), fold.strata, strict=True)) == {
        "D": "single unseen",
        "B+D": "1/2 seen",
        "E": "single unseen",
        "D+E": "0/2 seen",
    }


def test_gears_reads_what_is_written(tmp_path):
    split = make_split(NAMES, kind="combination", folds=3, seed=1)
    write_split(split, tmp_path / "s.pkl", fold="fold1")
    told = pickle.loads((tmp_path / "s.pkl").read_bytes())
    assert set(told) == {"train", "val", "test"}
    assert all("+" in condition for side in told.values() for condition in side)
    (fold,) = read_split(tmp_path / "s.pkl").folds
    assert (set(fold.train), fold.test) == (set(split.folds[1].train), split.folds[1].test)
    with pytest.raises(DataError, match="holds one fold and the split has 3"):
        write_split(split, tmp_path / "s.pkl")


def test_a_split_of_gears_itself_is_read():
    """Written by `PertData.prepare_split` of cell-gears 0.1.2 (`make_gears.py` beside them); one subgroup holds a numpy text."""
    (fold,) = read_split(WRITTEN / "toy_simulation_1_0.75.pkl").folds
    assert [str(n) for n in fold.train] == [
        *["G0", "G1", "G2", "G5", "G8", "G9", "G10", "G11", "G0+G1", "G4", "G4+G5", "G8+G9"]
    ]
    assert dict(zip(map(str, fold.test), fold.strata, strict=True)) == {
        **dict.fromkeys(("G3", "G6", "G7"), "single unseen"),
        **dict.fromkeys(("G2+G3", "G0+G6", "G1+G7", "G3+G8"), "1/2 seen"),
        "G10+G11": "2/2 seen",
    }
    (fold,) = read_split(WRITTEN / "toy_single_1_0.75.pkl").folds
    assert [str(n) for n in fold.test] == ["G3"]


def test_gears_finds_what_is_written_under_its_own_spelling(tmp_path):
    """Its data loader takes `dataset_processed[condition]` for every condition of all three sides, and stacks what `val` gives."""
    sets = pickle.loads((WRITTEN / "toy_simulation_1_0.75.pkl").read_bytes())
    graphs = {condition: [object()] for side in sets.values() for condition in side} | {"ctrl+G0": [object()]}
    read = read_split(WRITTEN / "toy_simulation_1_0.75.pkl")
    write_split(read, tmp_path / "s.pkl", conditions=list(graphs))
    told = pickle.loads((tmp_path / "s.pkl").read_bytes())
    assert {side: len([g for c in told[side] for g in graphs[c]]) for side in told} == {
        "train": 13,
        "val": 1,
        "test": 8,
    }
    assert "ctrl" in told["train"]
    assert {"G0+ctrl", "ctrl+G0"} <= set(told["train"])
    assert "G7+G1" in told["test"]
    (fold,) = read_split(tmp_path / "s.pkl").folds
    assert (set(fold.train), fold.test) == (set(read.folds[0].train), read.folds[0].test)
    with pytest.raises(DataError, match=r"20 of 20 perturbations are none of the 1 conditions.*conditions=adata"):
        write_split(read, tmp_path / "s.pkl", conditions=["ctrl"])


class _Harm:
    def __reduce__(self):
        return os.system, ("touch harmed",)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (_Harm(), "nothing was run"),
        ({"train": ["A"]}, "no dict of train and test"),
        ({"train": 3, "test": []}, "a int where a list"),
    ],
)
def test_a_pickle_that_is_no_split_is_refused(tmp_path, monkeypatch, value, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(DataError, match=fault):
        read_split(tmp_path / "s.pkl")
    assert not (tmp_path / "harmed").exists()


def test_state_holds_out_perturbations_or_contexts(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text('[training]\nrep = "train"\n[zeroshot]\n[fewshot."rep.rpe1"]\nval = ["A"]\ntest = ["B", "A+B"]\n')
    split = read_split(path, perturbations=["A", "B", "C", "B+A"])
    (fold,) = split.folds
    assert ([str(n) for n in fold.train], [str(n) for n in fold.test]) == (["A", "C"], ["B", "A+B"])
    with pytest.raises(DataError, match="Pass perturbations="):
        read_split(path)
    path.write_text('[zeroshot]\n"rep.jurkat" = "test"\n"rep.k562" = "val"\n[fewshot]\n')
    split = read_split(path, perturbations=["A", "B"])
    assert (split.by, split.folds[0].held_out) == ("cell_type", ("jurkat",))
    path.write_text("[datasets]\nx = 'y'\n")
    with pytest.raises(DataError, match="0 test contexts and 0 contexts"):
        read_split(path, perturbations=["A"])


def test_state_reads_what_is_written(tmp_path):
    split = make_split(NAMES, folds=2, seed=1)
    write_split(split, tmp_path / "s.toml", fold="fold0", dataset='my "set"', context="K562")
    told = tomllib.loads((tmp_path / "s.toml").read_text())
    assert list(told["fewshot"]) == ['my "set".K562']
    assert told["fewshot"]['my "set".K562']["test"] == [str(n) for n in split.folds[0].test]
    (fold,) = read_split(tmp_path / "s.toml", perturbations=NAMES).folds
    assert set(fold.test) == set(split.folds[0].test)
    assert set(fold.train) == set(split.folds[0].train)


def test_a_table_goes_round_and_runs_nothing_in_a_spreadsheet(tmp_path):
    split = make_split(NAMES, kind="combination", folds=3, seed=1)
    write_split(split, tmp_path / "s.csv")
    with (tmp_path / "s.csv").open(newline="") as handle:
        cells = [cell for row in csv.reader(handle) for cell in row]
    assert not any(cell.startswith(("=", "+", "@")) for cell in cells)
    again = read_split(tmp_path / "s.csv")
    assert [(f.name, f.train, f.test, f.strata) for f in again.folds] == [
        (f.name, f.train, f.test, f.strata) for f in split.folds
    ]


def test_a_plain_table_of_two_columns(tmp_path):
    (tmp_path / "s.tsv").write_bytes(
        "\ufeffcondition\tsplit\r\nA+ctrl\ttrain\r\nB+A\ttest\r\nC\tval\r\nctrl\ttrain\r\n".encode()
    )
    (fold,) = read_split(tmp_path / "s.tsv").folds
    assert (fold.train, fold.test) == (as_names(["A", "C"]), as_names(["A+B"]))
    (tmp_path / "s.tsv").write_text("condition\tsplit\nA\ttrain\nA\ttest\n")
    with pytest.raises(LeakageError):
        read_split(tmp_path / "s.tsv")
    (tmp_path / "s.tsv").write_text("condition\tsplit\nA\ttrain\nB\tholdout\n")
    with pytest.raises(DataError, match="has 'holdout' under 'split'"):
        read_split(tmp_path / "s.tsv")
    (tmp_path / "s.tsv").write_text("a\tb\nA\ttrain\n")
    with pytest.raises(DataError, match="has the columns"):
        read_split(tmp_path / "s.tsv")
