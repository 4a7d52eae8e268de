"""Claims of a pickle are held against its bytes before the interpreter's reader sets room aside."""

from __future__ import annotations

import pickle
import resource
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perturbridge._pickles import check_pickle_claims
from perturbridge.embeddings import read_embedding
from perturbridge.errors import EmbeddingError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300) | st.binary(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4) | st.tuples(inner)
    ),
    max_leaves=12,
)


@given(value=plain, protocol=st.sampled_from(PROTOCOLS))
def test_whatever_pickle_writes_passes(value, protocol):
    check_pickle_claims(pickle.dumps(value, protocol), start=0, where="x")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_large_tables_pass(protocol):
    table = {f"G{i}": [float(i), i, i * 300, -i * 70000, 2**40] for i in range(3000)}
    check_pickle_claims(pickle.dumps(table, protocol), start=0, where="x")
    arrays = {f"G{i}": np.arange(3.0) + i for i in range(3000)}
    check_pickle_claims(pickle.dumps(arrays, protocol), start=0, where="x")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x02}r\xff\xff\xff\xff.", "names entry 4,294,967,295 after 1"),
        (b"}p4000000000\n.", "names entry 4,000,000,000 after 1"),
        (b"}p-5\n.", "names entry -5"),
        (b"}pfour\n.", "invalid literal"),
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc.", "its end is missing"),
        (b"\x80\x02X\xff\xff\xff\x7fabc.", "its end is missing"),
        (b"\x80\x02}\xfe.", "record 0xfe at byte 3 is unknown"),
        (b"\x80\x02}", "its end is missing"),
        (b"Iabc", "a line has no end"),
    ],
)
def test_false_claims_are_refused(data, message):
    with pytest.raises(EmbeddingError, match=message):
        check_pickle_claims(data, start=0, where="x")


def test_a_pickle_of_a_few_bytes_takes_no_memory(tmp_path):
    """Read in a process of its own that may use 4 GiB: the plain reader would ask for 64."""
    path = tmp_path / "x"
    path.write_bytes(b"\x80\x02}(\x8c\x04TP53]r\xff\xff\xff\xff(K\x01K\x02eu.")
    code = (
        "import sys\nfrom perturbridge.embeddings import read_embedding\nfrom perturbridge.errors import EmbeddingError\n"
        "try:\n    read_embedding(sys.argv[1], aliases=None)\nexcept EmbeddingError as error:\n    print(error.problem)"
    )
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))  # noqa: E731
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, check=True, preexec_fn=limit, env={"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "names entry 4,294,967,295" in done.stdout


def test_a_refused_file_is_closed_again(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\x80\x02}r\xff\xff\xff\xff.")
    with pytest.raises(EmbeddingError, match="names entry"):
        read_embedding(path)
    path.unlink()
