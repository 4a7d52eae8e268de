"""Several plates as text (`X.mtx`, `meta.csv`, `genes.tsv`) as one screen: time and memory of two passes over all cells.

*keep*: share of the values that may stay in memory. *over*: peak memory less what the process held before, in MB; *one plate* and *all*: the
values as CSR, 8 bytes each. The last line is what scripts do: `scipy.io.mmread` of every plate, one CSR matrix of all.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ._contender import measure, peak_mb

MODULE = "tests.benchmarks._text_plates"
SIZES = {False: (8, 2_500, 10_000), True: (3, 100, 500)}
DENSITY = 0.15


def run(*, quick: bool) -> list[dict]:
    """Measure reading with all, half and no plates kept, and the plain way."""
    n_plates, n_cells, n_genes = SIZES[quick]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        measure(MODULE, "write", scratch, *map(str, SIZES[quick]))
        one = n_cells * n_genes * DENSITY * 8 / 1e6
        for name, budget in (
            ("keep all", 1.05),
            ("keep half", 0.5),
            ("keep none", 0.0),
            ("scipy, all plates stacked", -1.0),
        ):
            figures = measure(MODULE, "contend", scratch, str(int(budget * one * n_plates * 1e6)))
            over = figures["peak_mb"] - figures["baseline_mb"]
            row = {"contender": name, "work_cpu_s": figures["work_cpu_s"], "over_mb": over}
            rows.append({**row, "one plate": one, "all": one * n_plates, "times all": over / (one * n_plates)})
    return rows


def _write(folder: str, n_plates: str, n_cells: str, n_genes: str) -> None:
    import pandas as pd
    from scipy import io, sparse

    rng = np.random.default_rng(0)
    shape = (int(n_genes), int(n_cells))
    for i in range(int(n_plates)):
        place = Path(folder) / f"plate{i}"
        place.mkdir()
        matrix = sparse.random(
            *shape, density=DENSITY, format="csc", random_state=rng, data_rvs=lambda size: rng.integers(1, 9, size)
        )
        io.mmwrite(place / "X.mtx", matrix)
        labels = [("ctrl", "G1+ctrl", "G2+ctrl")[c % 3] for c in range(shape[1])]
        pd.DataFrame({"condition": labels}, index=[f"p{i}c{c}" for c in range(shape[1])]).to_csv(place / "meta.csv")
        (place / "genes.tsv").write_text("\n".join(f"G{g}" for g in range(shape[0])) + "\n")


def _contend(folder: str, budget: str) -> None:
    from scipy import io, sparse

    from perturbridge.screens.files._open import open_container

    before, started = peak_mb(), time.process_time()
    total = 0.0
    if int(budget) < 0:
        x = sparse.vstack(
            [io.mmread(path / "X.mtx").T.tocsr() for path in sorted(Path(folder).iterdir())], format="csr"
        )
        for _ in range(2):
            total += float(x.sum())
    else:
        source = open_container(folder, text_budget=int(budget)).source("X")
        for _ in range(2):
            for start in range(0, source.shape[0], 500):
                total += float(source.read_rows(start, min(start + 500, source.shape[0])).data.sum(dtype=np.float64))
    print(
        json.dumps(
            {"work_cpu_s": time.process_time() - started, "peak_mb": peak_mb(), "baseline_mb": before, "total": total}
        )
    )


if __name__ == "__main__":
    {"contend": _contend, "write": _write}[sys.argv[1]](*sys.argv[2:])
