"""Two million cells on a laptop: a forecast, one pass in flat memory, a pass that is interrupted and goes on, and the same bits from workers.

`python 07_two_million_cells.py 2000000` sums two million cells of 8,000 genes that are drawn as they are read, so that no disk is needed;
without a number it takes a small screen. Known limit: such a screen says how large files are summed, and nothing about biology: no effect
is planted, and drawing its counts takes far longer than reading them would.
"""

# %% A screen that is nowhere: labels in memory (8 bytes per cell), counts drawn when somebody reads them
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import perturbridge as pb
from perturbridge.screens import forecast_pseudobulk
from perturbridge.workers import resident

large = len(sys.argv) > 1
sizes = (
    {"n_cells": int(sys.argv[1])} if large else {"n_cells": 20_000, "n_genes": 400, "n_conditions": 40, "n_contexts": 6}
)
screen = pb.simulate.endless_screen(**sizes)
print(f"{screen.n_cells:,} cells x {screen.n_genes:,} genes, {len(screen.perturbations):,} perturbations")

# %% What it will take, before a value is read; with a budget, genes are summed a block at a time where all at once do not fit
told = forecast_pseudobulk(screen)
print(told.sentence())
for budget in ("700MB", "300MB"):
    try:
        print(budget, "|", forecast_pseudobulk(screen, memory=budget).sentence())
    except pb.PerturbridgeError as error:
        print(budget, "| refused:", error)

# %% One pass; memory is that of the sums and of one chunk, however many cells there are
held: list[int] = []
began = time.perf_counter()
effects = pb.pseudobulk(screen, progress=lambda *_: held.append(resident()))
seconds, most = time.perf_counter() - began, max(held)
print(f"one process: {seconds:.1f} s, at most {most / 1e6:.0f} MB held, forecast {told.total / 1e6:.0f} MB")
assert most < told.total


# %% Interrupted half way, and started again: `checkpoint` names a folder for the sums; they are gone when the work is done
def stop(done: int, total: int) -> None:
    """Play the scheduler of a cluster whose time is up."""
    if done > total / 2:
        raise KeyboardInterrupt


with tempfile.TemporaryDirectory() as folder:
    kept = Path(folder) / "sums"
    try:
        pb.pseudobulk(screen, checkpoint=kept, progress=stop)
    except KeyboardInterrupt:
        print(
            "interrupted; kept:",
            sorted(file.name for file in kept.iterdir()) or "nothing yet (sums are kept every half minute)",
        )
    again = pb.pseudobulk(screen, checkpoint=kept)
    assert not kept.exists()

# %% By workers: any executor, or a Dask client (`client = dask.distributed.Client("tcp://host:8786")`) in its place
began = time.perf_counter()
with ThreadPoolExecutor(2) as executor:
    spread = pb.pseudobulk(screen, client=executor)
print(f"two workers: {time.perf_counter() - began:.1f} s")

# %% The same bits, whoever did it
for other in (again, spread):
    assert other.fingerprint == effects.fingerprint
    np.testing.assert_array_equal(other.delta, effects.delta)
    np.testing.assert_array_equal(other.variance, effects.variance)
