"""Opening a GenePT-form pickle (2,000 genes x 3,072 doubles, a dict of Python lists) and the table converted from it.

Each contender runs in fresh processes. `work_cpu_s` is the reading alone, to a float32 matrix with names unless said otherwise,
after a small file of the same kind has been read, so that imports do not count; `cpu_s` is the whole process. The smallest of the
repeats is given, of `peak_mb` the largest. `baseline_mb` is the process before the large file is opened. `max_diff` is the largest
difference between a contender's numbers and those of the pickle rounded to float32.
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

SIZES = {False: (2_000, 3_072), True: (200, 256)}
SMALL = (5, 8)
MODULE = "tests.benchmarks._embedding_load"


def run(*, quick: bool) -> list[dict]:
    """Measure every contender against a plain pickle made into a matrix."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        files = {}
        for size, shape in (("large", SIZES[quick]), ("small", SMALL)):
            files[size] = str(Path(scratch) / f"{size}.pickle")
            measure(MODULE, "write", files[size], *map(str, shape))
        for name, (label, _) in CONTENDERS.items():
            rows.append(
                {"contender": label, **measure(MODULE, "contend", name, *files.values(), repeats=1 if quick else 7)}
            )
    base = next(row for row in rows if row["contender"] == CONTENDERS["matrix"][0])
    for row in rows:
        row["times faster"] = base["work_cpu_s"] / row["work_cpu_s"]
        row["memory ratio"] = (row["peak_mb"] - row["baseline_mb"]) / (base["peak_mb"] - base["baseline_mb"])
    return rows


def _plain(path: str) -> dict:
    with Path(path).open("rb") as handle:
        return pickle.load(handle)  # noqa: TID251


def _matrix(path: str) -> tuple[list[str], np.ndarray]:
    table = _plain(path)
    return list(table), np.array(list(table.values()), dtype=np.float32)


def _ours(path: str) -> tuple[list[str], np.ndarray]:
    from perturbridge.embeddings import read_embedding

    embedding = read_embedding(path, aliases=None)
    return list(embedding.genes), embedding.vectors


def _ours_table(path: str) -> tuple[list[str], np.ndarray]:
    return _ours(_table(path))


def _ours_half(path: str) -> tuple[list[str], np.ndarray]:
    return _ours(_table(path, "half"))


def _table(path: str, suffix: str = "") -> str:
    return f"{path}{suffix}.safetensors"


CONTENDERS = {
    "matrix": ("pickle.load, then np.array(float32)", _matrix),
    "plain": ("pickle.load alone (a dict of lists, no matrix)", _plain),
    "ours": ("perturbridge: read_embedding of the pickle, nothing run", _ours),
    "table": ("perturbridge: read_embedding of the converted table", _ours_table),
    "half": ("perturbridge: the same, converted with storage='float16'", _ours_half),
}


def _contend(name: str, large: str, small: str) -> None:
    function = CONTENDERS[name][1]
    function(small)
    before = peak_mb()
    started = time.process_time()
    result = function(large)
    figures = {"work_cpu_s": time.process_time() - started, "peak_mb": peak_mb(), "baseline_mb": before}
    if isinstance(result, tuple):
        names, matrix = _matrix(large)
        assert result[0] == names
        figures["max_diff"] = float(np.abs(result[1] - matrix).max())
    figures["file_mb"] = (
        Path({"table": _table(large), "half": _table(large, "half")}.get(name, large)).stat().st_size / 1e6
    )
    print(json.dumps(figures))


def _write(path: str, n_genes: str, n_dims: str) -> None:
    from perturbridge.embeddings import convert_embedding

    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((int(n_genes), int(n_dims)))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with Path(path).open("wb") as handle:
        pickle.dump({f"GENE{i}": vector.tolist() for i, vector in enumerate(vectors)}, handle, protocol=4)
    convert_embedding(path, _table(path))
    convert_embedding(path, _table(path, "half"), storage="float16")


if __name__ == "__main__":
    {"contend": _contend, "write": _write}[sys.argv[1]](*sys.argv[2:])
