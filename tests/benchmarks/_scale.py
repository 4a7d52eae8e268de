"""Pseudo-bulk, encoding, audit and scoring of 200k, 1M and 2M cells x 8k genes (2,000 conditions, 48 contexts), each in a fresh process.

`peak_mb` is the largest resident memory of the whole process (VmHWM, pages of mapped files included), `growth` that over the peak of the
smallest file; `slope` and `intercept` are the straight line through the CPU seconds of the sizes (`work_cpu_s` where there is one), `off`
its largest residual over the figure itself. For pseudo-bulk `disk_s` is the time in which the same process reads the same bytes of the file
from a cold page cache and does nothing else, `cold_s` the time in which it sums the file, cache cold again, each the shortest of three in
turn (one for files of over 2 GB); `ratio` is the second over the first, `wide ratio` that with as many adding threads as there are
processors, `cpu ratio` the CPU seconds of the sum over the first: on a busy machine wall clock says more about the others. `cache` says
whether the file would fit into the memory that is free for the page cache.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ._contender import measure, peak_mb
from ._pseudobulk import MODULE as SIMULATOR
from ._pseudobulk import SMALL, simulate_file

MODULE = "tests.benchmarks._scale"
SIZES = {False: (200_000, 1_000_000, 2_000_000), True: (4_000, 20_000, 40_000)}
DESIGN = {
    False: {"n_genes": 8_000, "n_conditions": 2_000, "n_contexts": 48},
    True: {"n_genes": 500, "n_conditions": 40, "n_contexts": 6},
}
CELLS_TO_FIT = 4_096
N_LATENT = 32


def run(*, quick: bool) -> list[dict]:
    """Measure; PERTURBRIDGE_BENCHMARK_DIR names a folder where the simulated files (16 GB) are kept between runs.

    PERTURBRIDGE_BENCHMARK_STAGES, joined by commas, names the stages to run; the audit needs the files that encoding leaves.
    """
    kept = os.environ.get("PERTURBRIDGE_BENCHMARK_DIR")
    asked = os.environ.get("PERTURBRIDGE_BENCHMARK_STAGES")
    stages = asked.split(",") if asked else list(STAGES)
    rows = []
    with tempfile.TemporaryDirectory(dir=kept) as scratch:
        folder = Path(kept or scratch)
        files = make_files(folder, quick=quick)
        for stage in stages:
            found = []
            for n, path in files.items():
                out = str(folder / f"encoded-{n}.h5ad")
                figures = measure(MODULE, "stage", stage, str(path), str(model_of(folder, quick=quick)), out)
                found.append({"stage": stage, "cells": n, **figures, "load": os.getloadavg()[0]})
                print({key: _short(value) for key, value in found[-1].items()}, file=sys.stderr, flush=True)
            rows += _with_fit(found)
    return rows


def make_files(folder: Path, *, quick: bool) -> dict[int, Path]:
    """Make the screens that are not there yet, by number of cells, and a model that encodes them."""
    files = {n: folder / f"cells-{n}.h5ad" for n in SIZES[quick]}
    small = folder / f"small-{DESIGN[quick]['n_genes']}.h5ad"
    for n, path in {CELLS_TO_FIT: small, **files}.items():
        if not path.exists():
            measure(SIMULATOR, "simulate", str(path), json.dumps({"n_cells": n, **DESIGN[quick]}))
    if not model_of(folder, quick=quick).exists():
        measure(MODULE, "fit", str(small), str(model_of(folder, quick=quick)))
    return files


def model_of(folder: Path, *, quick: bool) -> Path:
    """Where the model lies that encodes the files."""
    return folder / f"model-{DESIGN[quick]['n_genes']}"


def _with_fit(rows: list[dict]) -> list[dict]:
    """Add growth of memory, and the straight line through the CPU seconds."""
    n, cpu = (
        np.array(each, dtype=float)
        for each in zip(*((r["cells"], r.get("work_cpu_s", r["cpu_s"])) for r in rows), strict=True)
    )
    slope, intercept = np.polyfit(n, cpu, 1)
    off = np.abs(intercept + slope * n - cpu) / cpu
    for row in rows:
        row["growth"] = f"{100 * (row['peak_mb'] / rows[0]['peak_mb'] - 1):+.1f} %"
    rows[-1] |= {
        "slope": f"{1e6 * slope:.3g} s per million cells",
        "intercept": f"{intercept:.2g} s",
        "off": f"{100 * off.max():.1f} %",
    }
    return rows


def _short(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


def forget(path: str) -> None:
    """Ask the system to drop a file from its cache."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def disk_seconds(path: str) -> float:
    """Wall seconds in which the file is read from the disk, a few MB at a time, into one buffer."""
    forget(path)
    buffer = bytearray(1 << 23)
    started = time.perf_counter()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        while file.readinto(buffer):
            pass
    return time.perf_counter() - started


def _pseudobulk(path: str, *_: str) -> dict:
    from perturbridge.screens import pseudobulk, read_screen

    with tempfile.TemporaryDirectory() as scratch:
        # Compiles what is compiled, so that the seconds are those of the file.
        small = str(Path(scratch) / "small.h5ad")
        simulate_file(small, json.dumps(SMALL))
        pseudobulk(read_screen(small))
    tries = []
    for _ in range(1 if Path(path).stat().st_size > 2e9 else 3):
        figures = [disk_seconds(path)]
        for threads in (1, os.cpu_count()):
            os.environ["NUMBA_NUM_THREADS"] = str(threads)
            forget(path)
            started, cpu = time.perf_counter(), time.process_time()
            pseudobulk(read_screen(path))
            figures += [time.perf_counter() - started, time.process_time() - cpu]
        tries.append(figures)
    disk, cold, work, wide, _ = (min(each) for each in zip(*tries, strict=True))
    ratios = {"ratio": cold / disk, "wide ratio": wide / disk, "cpu ratio": work / disk}
    return {"work_cpu_s": work, "disk_s": disk, "cold_s": cold, "wide_s": wide, **ratios, "cache": _cache(path)}


def _cache(path: str) -> str:
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return "unknown"
    free = next(int(line.split()[1]) for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable"))
    return "fits" if Path(path).stat().st_size < 1024 * free else "does not fit"


def _encode(path: str, model: str, out: str) -> dict:
    from perturbridge import pipeline

    return {"n_dims": pipeline.encode_latent(model, _config(path), out, device="cpu")["n_dims"]}


def _audit(_: str, __: str, out: str) -> dict:
    from perturbridge import pipeline

    audited = pipeline.audit_data(out, rep="X_perturbridge", context="context", condition="perturbation")
    return {"verdict": next(iter(audited.reports.values())).verdict}


def _audit_counts(path: str, *_: str) -> dict:
    from perturbridge import pipeline

    audited = pipeline.audit_data(path, context="context", condition="perturbation")
    return {"verdict": next(iter(audited.reports.values())).verdict}


def _config(path: str) -> object:
    from perturbridge import pipeline

    return pipeline.config_from_mapping({"screen": path, "context": "context"})


def _score(path: str, *_: str) -> dict:
    """Cells as a prediction of themselves, and halves of them as a ceiling: the file is summed four times, clouds of cells are drawn twice.

    The Sinkhorn divergence of 2,000 perturbations is left out: two minutes, whatever the number of cells.
    """
    from perturbridge import pipeline

    config = pipeline.EvaluateConfig(real=_config(path), ceiling=True, skip=("sinkhorn_div",))
    found = pipeline.evaluate_files([path], config)
    return {"n_scores": len(found.scores.value)}


def _rank_tests(path: str, *_: str) -> dict:
    """Wilcoxon tests of the cells of ten perturbations against controls."""
    from perturbridge.pipeline._rank_tests import real_rank_contrast
    from perturbridge.screens import pseudobulk, read_screen

    screen = read_screen(path, context="context")
    effects = pseudobulk(screen)
    before = peak_mb()
    contrast = real_rank_contrast(screen, effects, effects.perturbations[:10], seed=0)
    return {"n_tests": contrast.p.size, "summed_mb": before}


STAGES = {
    "pseudobulk": _pseudobulk,
    "encode": _encode,
    "audit": _audit,
    "audit_counts": _audit_counts,
    "score": _score,
    "rank_tests": _rank_tests,
}


def _stage(name: str, *arguments: str) -> None:
    figures = STAGES[name](*arguments)
    print(json.dumps(figures | {"peak_mb": peak_mb()}))


def _fit(path: str, folder: str) -> None:
    import perturbridge as pb
    from perturbridge.latent import Architecture, LatentModel, Training

    training = Training(epochs=2, device="cpu")
    model = LatentModel(architecture=Architecture(n_latent=N_LATENT), training=training)
    model.fit(pb.read_screen(path, context="context")).save(folder)


if __name__ == "__main__":
    {"stage": _stage, "fit": _fit}[sys.argv[1]](*sys.argv[2:])
