"""The GenePT file itself in size and form: 33,000 vectors of 3,072 Python floats under 133,736 names, 909 MB of pickle.

Each contender runs in fresh processes. `work_cpu_s` is the call alone, after a small file of the same kind; `over_mb` is the peak of the
process less what it held before the call. `vectors_mb` is the float32 matrix that is wanted, `times vectors` their ratio: 1.0 is the
least that holds the answer. The plain pickle is the way GenePert, scGPT and others open it, as a dict of lists, without a matrix.
"""

from __future__ import annotations

import json
import pickle
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ._contender import measure, peak_mb

SIZES = {False: (33_000, 133_736, 3_072), True: (300, 1_200, 64)}
MODULE = "tests.benchmarks._genept_file"


def run(*, quick: bool) -> list[dict]:
    """Measure reading, converting and reading the converted table."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        large, small = (str(Path(scratch) / f"{size}.pickle.") for size in ("large", "small"))
        measure(MODULE, "write", large, *map(str, SIZES[quick]))
        measure(MODULE, "write", small, "8", "20", "16")
        repeats = 1 if quick else 2
        rows += [
            {"contender": name, **measure(MODULE, "contend", name, large, small, repeats=repeats)}
            for name in ("read", "convert", "converted", "pickle")
        ]
    vectors = SIZES[quick][0] * SIZES[quick][2] * 4 / 1e6
    plain = next(row for row in rows if row["contender"] == "pickle")
    for row in rows:
        row["over_mb"] = row["peak_mb"] - row["baseline_mb"]
        row["vectors_mb"] = vectors
        row["times vectors"] = row["over_mb"] / vectors
        row["times faster"] = plain["work_cpu_s"] / row["work_cpu_s"]
    return rows


def _write(path: str, n_vectors: str, n_names: str, n_dims: str) -> None:
    """Spell the pickle vector by vector: every name beyond the first of a vector is a reference to its list."""
    rng = np.random.default_rng(0)
    vectors, names, dims = int(n_vectors), int(n_names), int(n_dims)
    records = np.empty((dims, 9), dtype=np.uint8)
    records[:, 0] = ord("G")
    with Path(path).open("wb") as out:
        out.write(b"\x80\x04}\x94(")
        for i in range(vectors):
            if i and i % 1000 == 0:
                out.write(b"u(")
            row = rng.standard_normal(dims)
            records[:, 1:] = (row / np.linalg.norm(row)).astype(">f8").view(np.uint8).reshape(dims, 8)
            out.write(_name(f"GENE{i}") + b"\x94]\x94")
            for start in range(0, dims, 1000):
                out.write(b"(" + records[start : start + 1000].tobytes() + b"e")
        for i in range(names - vectors):
            if i % 1000 == 0:
                out.write(b"u(")
            # The memo holds the dict, then a name and a list for each vector.
            out.write(_name(f"ALIAS{i}") + b"\x94j" + (2 + 2 * (i % vectors)).to_bytes(4, "little"))
        out.write(b"u.")


def _name(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def _call(name: str, path: str) -> object:
    from perturbridge.embeddings import convert_embedding, read_embedding

    if name == "pickle":
        with Path(path).open("rb") as handle:
            return pickle.load(handle)  # noqa: TID251
    if name == "convert":
        return convert_embedding(path, f"{path}.safetensors")
    return read_embedding(path if name == "read" else f"{path}.safetensors", aliases=None)


def _contend(name: str, large: str, small: str) -> None:
    if name == "converted":
        for path in (small, large):
            if not Path(f"{path}.safetensors").exists():
                _call("convert", path)
    _call(name, small)
    before = peak_mb()
    started = time.process_time()
    result = _call(name, large)
    figures = {"work_cpu_s": time.process_time() - started, "peak_mb": peak_mb(), "baseline_mb": before}
    if name in ("read", "converted"):
        first = np.random.default_rng(0).standard_normal(result.n_dims)
        assert np.array_equal(result.vectors[0], (first / np.linalg.norm(first)).astype(np.float32))
        assert result.rows[result.genes.index("ALIAS3")] == result.rows[result.genes.index("GENE3")]
    print(json.dumps(figures))


if __name__ == "__main__":
    {"contend": _contend, "write": _write}[sys.argv[1]](*sys.argv[2:])
