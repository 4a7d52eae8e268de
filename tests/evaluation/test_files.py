from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest

from perturbridge.errors import DataError
from perturbridge.evaluation import read_scores, to_frame, write_scores
from perturbridge.values import ScoreTable

HOSTILE = [
    "=cmd()|'/C calc'!A0",
    "+1",
    "-2",
    "@SUM(A1)",
    "\tx",
    "'=y",
    "'plain",
    "a,b",
    'say "hi"',
    "NA",
    "nan",
    "",
    "two\nlines",
    "cr\rx",
    "é",
    "<b>",
]


@pytest.fixture
def table(make_table):
    n = len(HOSTILE)
    values = np.random.default_rng(0).normal(size=n) / 3
    values[1] = np.nan
    return make_table(
        dict.fromkeys(("=model", "b"), values),
        perturbations=HOSTILE,
        folds=HOSTILE,
        strata=HOSTILE,
        split_hash="-h",
    )


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_round_trip_to_the_last_bit(table, tmp_path, suffix):
    path = tmp_path / f"scores{suffix}"
    write_scores(table, path)
    back = read_scores(path)
    for name, column in table.columns().items():
        np.testing.assert_array_equal(getattr(back, name), column)
        assert getattr(back, name).dtype.kind == column.dtype.kind
    assert back.split_hash == "-h"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_no_cell_of_a_csv_starts_a_formula(table, tmp_path):
    path = tmp_path / "scores.csv"
    write_scores(table, path)
    frame = pd.read_csv(path, keep_default_na=False, dtype=str)
    texts = frame.drop(columns=["value", "n_cells"]).to_numpy().ravel()
    assert any(text.startswith("'=") for text in texts)
    assert not [text for text in texts if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]


def test_frame_holds_every_column_and_the_split(table):
    frame = to_frame(table)
    assert list(frame.columns) == [*ScoreTable.column_names(), "split_hash"]
    assert len(frame) == 2 * len(HOSTILE)
    assert frame["perturbation"].tolist()[: len(HOSTILE)] == HOSTILE
    assert frame["value"].isna().sum() == 2


def test_an_empty_table_comes_back_empty(make_table, tmp_path):
    for suffix in (".parquet", ".csv"):
        path = tmp_path / f"scores{suffix}"
        write_scores(make_table({"m": []}, split_hash=""), path)
        assert len(read_scores(path).value) == 0


def test_a_failed_write_leaves_the_old_file(table, tmp_path, monkeypatch):
    path = tmp_path / "scores.parquet"
    write_scores(table, path)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError

    monkeypatch.setattr(pd.DataFrame, "to_parquet", fail)
    with pytest.raises(OSError):  # noqa: PT011
        write_scores(table, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_other_suffixes_and_folders_are_refused(table, tmp_path):
    with pytest.raises(DataError, match=r"scores\.xlsx does not say its format"):
        write_scores(table, tmp_path / "scores.xlsx")
    with pytest.raises(DataError, match="does not say its format"):
        read_scores(tmp_path / "scores")
    with pytest.raises(DataError, match="cannot be written"):
        write_scores(table, tmp_path / "none" / "scores.parquet")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_files_that_are_no_score_table_are_refused(table, tmp_path, suffix):
    path = tmp_path / f"scores{suffix}"
    with pytest.raises(DataError, match="is no score table"):
        read_scores(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is no score table"):
        read_scores(path)
    write_scores(table, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="is no score table"):
        read_scores(path)
    path.write_bytes(bytes(range(128, 256)) * 20)
    with pytest.raises(DataError, match="is no score table"):
        read_scores(path)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_missing_columns_mixed_splits_and_text_for_numbers_are_refused(table, tmp_path, suffix):
    path = tmp_path / f"scores{suffix}"

    def save(frame):
        frame.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC) if suffix == ".csv" else frame.to_parquet(
            path, index=False
        )

    save(to_frame(table).drop(columns=["metric", "status"]))
    with pytest.raises(DataError, match=r"lacks 2 columns of a score table, the first is 'metric'"):
        read_scores(path)
    frame = to_frame(table)
    frame.loc[0, "split_hash"] = "other"
    save(frame)
    with pytest.raises(DataError, match="mixes scores of 2 splits"):
        read_scores(path)
    save(to_frame(table).assign(value="high"))
    with pytest.raises(DataError, match="is no score table"):
        read_scores(path)
