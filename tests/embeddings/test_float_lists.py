"""The byte reader of float-list pickles agrees with the pickle machine or stands back."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perturbridge.embeddings._float_lists import read_float_lists

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
floats = st.floats(allow_nan=True, allow_infinity=False, width=32)


def _as_dict(table):
    return {name: np.asarray(table.vectors[row]) for name, row in zip(table.names, table.rows, strict=True)}


@given(
    table=st.dictionaries(st.text(max_size=6), st.lists(floats, max_size=4), min_size=1, max_size=6),
    protocol=st.sampled_from(PROTOCOLS),
)
def test_agrees_with_pickle_for_any_names_and_numbers(table, protocol, tmp_path_factory):
    path = tmp_path_factory.mktemp("f") / "x"
    path.write_bytes(pickle.dumps(table, protocol))
    got = read_float_lists(path)
    assert got is not None
    assert not got.rounded
    for name, vector in _as_dict(got).items():
        np.testing.assert_array_equal(vector, np.array(table[name], dtype=np.float32))
    assert list(got.names) == list(table)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("n_dims", [1, 999, 1000, 1001, 1536, 3072, 8000])
def test_batches_and_frames_of_any_length(n_dims, protocol, dump):
    rng = np.random.default_rng(n_dims)
    table = {f"G{i}": rng.standard_normal(n_dims).tolist() for i in range(12)}
    got = read_float_lists(dump(table, protocol))
    assert got.rounded
    np.testing.assert_array_equal(got.vectors, np.array(list(table.values())).astype(np.float32))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_names_of_one_list_share_its_row(protocol, dump):
    one, two = [1.0, 2.0], [3.0, 4.0]
    got = read_float_lists(dump({"A": one, "B": two, "C": one, "D": [1.0, 2.0]}, protocol))
    assert got.rows.tolist() == [0, 1, 0, 2]
    assert len(got.vectors) == 3


def test_more_names_than_a_batch_of_pickle(dump):
    table = {f"G{i}": [float(i)] for i in range(2500)}
    got = read_float_lists(dump(table))
    np.testing.assert_array_equal(got.vectors[:, 0], np.arange(2500))


@pytest.mark.parametrize(
    "value",
    [
        {"A": [1, 2]},
        {"A": [1.0, 2]},
        {"A": np.ones(2)},
        {"A": (1.0, 2.0)},
        {"A": {"B": [1.0]}},
        {1: [1.0]},
        [[1.0]],
        {"A": "text"},
        {"A": [[1.0]]},
        {"A": [float("inf")]},
        {"A": [1e300]},
    ],
    ids=str,
)
def test_stands_back_from_anything_else(value, dump):
    assert read_float_lists(dump(value)) is None


def test_ragged_lists_stay_apart(dump):
    got = read_float_lists(dump({"A": [1.0], "B": [1.0, 2.0]}))
    assert [len(vector) for vector in got.vectors] == [1, 2]


def test_any_damage_is_seen_or_harmless(dump, tmp_path):
    """One byte changed at every place: the reader stands back, or reads what the pickle machine reads."""
    data = bytearray(pickle.dumps({"A": [1.0, 2.0], "B": [3.0, 4.0], "C": [5.0]}, 4))
    path = tmp_path / "x"
    read = 0
    for at in range(len(data)):
        for value in (0, ord("G"), ord("h"), data[at] ^ 1):
            changed = bytes(data[:at]) + bytes([value]) + bytes(data[at + 1 :])
            path.write_bytes(changed)
            table = read_float_lists(path)
            if table is None:
                continue
            read += 1
            expected = pickle.loads(changed)
            assert list(table.names) == list(expected)
            for name, vector in _as_dict(table).items():
                np.testing.assert_array_equal(vector, np.array(expected[name]).astype(np.float32))
    assert read > 50


def test_a_run_of_numbers_cannot_be_repeated_by_name(tmp_path):
    """A file of a few bytes that names a run of floats and appends it again and again."""
    run = b"G" + b"\x3f\xf0" + b"\0" * 6
    path = tmp_path / "x"
    path.write_bytes(b"\x80\x04}(\x8c\x01A]" + run + b"q\x00a" + b"h\x00a" * 100 + b"u.")
    assert read_float_lists(path) is None
