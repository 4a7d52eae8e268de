"""One epoch over a screen on disk (1M cells x 2k genes, 10 % dense), cells read as they are needed: peak memory of the whole process.

The smaller files show that memory does not grow with the screen; beside each, the same file held in memory.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from ._contender import measure, peak_mb

MODULE = "tests.benchmarks._latent_stream"


def run(*, quick: bool) -> list[dict]:
    """Measure; PERTURBRIDGE_BENCHMARK_DIR names a folder where simulated files are kept between runs."""
    rows = []
    kept = os.environ.get("PERTURBRIDGE_BENCHMARK_DIR")
    with tempfile.TemporaryDirectory(dir=kept) as scratch:
        for n_cells in (20_000, 60_000) if quick else (100_000, 1_000_000):
            path = Path(kept or scratch) / f"stream-{n_cells}.h5ad"
            if not path.exists():
                measure(MODULE, "simulate", str(path), str(n_cells))
            ways = ("stream", "memory")
            rows += [{"cells": n_cells, "how": how, **measure(MODULE, "fit", str(path), how)} for how in ways]
    return rows


def _simulate(path: str, n_cells: str) -> None:
    from perturbridge.screens import simulate

    simulate.write_large(path, n_cells=int(n_cells), n_genes=2000, n_conditions=200, n_contexts=8, density=0.1)


def _fit(path: str, how: str) -> None:
    import torch

    import perturbridge as pb
    from perturbridge.latent import LatentModel, Training

    torch.set_num_threads(1)
    screen = pb.read_screen(path, context="context")
    before = peak_mb()
    started = time.process_time()
    training = Training(epochs=1, batch_size=512, stream=how == "stream", device="cpu")
    model = LatentModel(training=training).fit(screen)
    figures = {"fit_cpu_s": time.process_time() - started, "peak_mb": peak_mb(), "opened_mb": before}
    print(json.dumps(figures | {"held_out_elbo": model.history_[-1]["held_out_elbo"]}))


if __name__ == "__main__":
    {"simulate": _simulate, "fit": _fit}[sys.argv[1]](*sys.argv[2:])
