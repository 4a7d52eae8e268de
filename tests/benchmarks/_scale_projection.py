"""What screens of 2M to 100M cells would take, projected from rates measured here: CPU seconds by stored value and by cell, bytes by second.

Rates are the slopes between the two smaller files of `scale`, one thread; nothing larger was run. `GB` counts 4 bytes for each value of a
dense file and 8 for each stored one of a sparse one, uncompressed. Seconds on k cores are the larger of CPU / k and bytes over what the disk
of this machine delivers; `first to bind` says which, and where the disk binds, from how many cores on. Memory is that of the process that
sums (28 bytes for each perturbation and gene) and of each worker beside it. Cost counts all cores that are held for as long as the stage takes,
at a price that is assumed: a core that waits for the disk costs as much as one that works.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ._contender import measure
from ._scale import MODULE, SIZES, disk_seconds, make_files, model_of

CORES = (1, 16, 128)
USD_PER_CORE_HOUR = 0.05
PASSES = {"pseudo-bulk": 1, "encoding": 1, "audit": 0, "scoring": 4}
CLOUD_CELLS = 200
CHUNK_GB = 0.5


@dataclass(frozen=True)
class Screen:
    """A screen of the field; values of a cell that are stored, perturbations and genes are those of its papers, or assumed where said."""

    name: str
    n_cells: float
    n_genes: int
    values_per_cell: int
    is_dense: bool
    n_perturbations: int

    @property
    def n_bytes(self) -> float:
        """Uncompressed, in the file."""
        return self.n_cells * self.values_per_cell * (4 if self.is_dense else 8)


SCREENS = (
    Screen("Replogle 2022 K562, genome-wide", 2e6, 8_248, 8_248, is_dense=True, n_perturbations=9_900),
    Screen("X-Atlas Orion (5,000 values a cell assumed)", 8e6, 18_000, 5_000, is_dense=False, n_perturbations=18_900),
    Screen("X-Atlas Pisces (5,000 assumed)", 25e6, 18_000, 5_000, is_dense=False, n_perturbations=18_900),
    Screen("Tahoe (1,500 assumed)", 100e6, 20_000, 1_500, is_dense=False, n_perturbations=1_100),
)


@dataclass(frozen=True)
class Rates:
    """Measured here: CPU seconds a stored value, CPU seconds a cell, bytes a second of the disk."""

    sum_per_value: float
    encode_per_value: float
    audit_base: float
    audit_per_cell: float
    disk: float


def run(*, quick: bool) -> list[dict]:
    """Measure rates on the two smaller files and project."""
    kept = os.environ.get("PERTURBRIDGE_BENCHMARK_DIR")
    with tempfile.TemporaryDirectory(dir=kept) as scratch:
        return project(_rates(Path(kept or scratch), quick=quick))


def _rates(folder: Path, *, quick: bool) -> Rates:
    import h5py

    sizes = SIZES[quick][:2]
    files = {n: path for n, path in make_files(folder, quick=quick).items() if n in sizes}
    values = []
    for path in files.values():
        with h5py.File(path) as file:
            values.append(len(file["X/data"]))
    cpu: dict[str, list[float]] = {}
    for stage in ("pseudobulk", "encode", "audit"):
        for n, path in files.items():
            arguments = (
                "stage",
                stage,
                str(path),
                str(model_of(folder, quick=quick)),
                str(folder / f"encoded-{n}.h5ad"),
            )
            figures = measure(MODULE, *arguments)
            cpu.setdefault(stage, []).append(figures.get("work_cpu_s", figures["cpu_s"]))
    more_values, more_cells = values[1] - values[0], sizes[1] - sizes[0]
    slope = {stage: seconds[1] - seconds[0] for stage, seconds in cpu.items()}
    largest = files[sizes[1]]
    return Rates(
        sum_per_value=slope["pseudobulk"] / more_values,
        encode_per_value=slope["encode"] / more_values,
        audit_base=cpu["audit"][0],
        audit_per_cell=max(slope["audit"], 0.0) / more_cells,
        disk=largest.stat().st_size / disk_seconds(str(largest)),
    )


def project(rates: Rates) -> list[dict]:
    """One row for each screen and stage."""
    rows = []
    for screen in SCREENS:
        values = screen.n_cells * screen.values_per_cell
        clouds = min(screen.n_cells, 2 * CLOUD_CELLS * screen.n_perturbations) * screen.values_per_cell
        cpu = {
            "pseudo-bulk": rates.sum_per_value * values,
            "encoding": rates.encode_per_value * values,
            "audit": rates.audit_base + rates.audit_per_cell * screen.n_cells,
            "scoring": rates.sum_per_value * (PASSES["scoring"] * values + clouds),
        }
        sums = 28e-9 * screen.n_perturbations * screen.n_genes
        for stage, seconds in cpu.items():
            disk = PASSES[stage] * screen.n_bytes / rates.disk
            # An audit is one process.
            held = {k: 1 if stage == "audit" else k for k in CORES}
            hours = {k: max(seconds / n, disk) / 3600 for k, n in held.items()}
            rows.append(
                {
                    "screen": screen.name,
                    "cells": f"{screen.n_cells / 1e6:.0f}M",
                    "GB": f"{screen.n_bytes / 1e9:,.0f}",
                    "stage": stage,
                    "CPU h": seconds / 3600,
                    **{f"h on {k}": h for k, h in hours.items()},
                    **{f"USD on {k}": USD_PER_CORE_HOUR * held[k] * h for k, h in hours.items()},
                    "memory GB": f"{sums + CHUNK_GB:.1f}"
                    if stage in ("pseudo-bulk", "scoring")
                    else f"{2 * CHUNK_GB:.1f}",
                    "first to bind": _bound(seconds, disk),
                }
            )
    return rows


def _bound(cpu: float, disk: float) -> str:
    """What binds first, and what would move it."""
    if disk <= 0:
        return "one core: the hash of all coordinates, and 200,000 drawn cells"
    cores = cpu / disk
    if cores <= 1:
        return "the disk, on one core already: compress (zstd, a fifth of the bytes), or stripe"
    return f"CPU: more cores; from {cores:.0f} on the disk: compress (zstd, a fifth of the bytes), or stripe"
