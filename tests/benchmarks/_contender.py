"""Run one contender in a fresh process and measure its CPU seconds and peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def measure(
    module: str,
    *arguments: str,
    environment: dict[str, str] | None = None,
    repeats: int = 1,
    python: str = sys.executable,
) -> dict:
    """Run `python -m module arguments` `repeats` times; return the smallest CPU seconds (user + system) and the largest peak.

    CPU seconds are those of the process and of those it started and waited for. The child may print a JSON object as its last line; its figures are taken along (the smallest of each).
    """
    figures: dict = {}
    for _ in range(repeats):
        started = time.perf_counter()
        child = subprocess.Popen(
            [python, "-m", module, *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
                "NUMBA_NUM_THREADS": "1",
                **(environment or {}),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.stdout.close()
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise RuntimeError(f"{module} {arguments} ended with {child.returncode}")
        run = {"cpu_s": usage.ru_utime + usage.ru_stime, "wall_s": time.perf_counter() - started}
        run |= json.loads(output.splitlines()[-1]) if output.strip() else {}
        for name, value in run.items():
            better = max if name == "peak_mb" else min
            figures[name] = better(figures[name], value) if name in figures else value
    return figures


def peak_mb() -> float:
    """Largest resident memory of this process so far; of its own memory map, not of the parent it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def table(rows: list[dict]) -> str:
    """Lay rows out as a Markdown table; numbers with three significant digits."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_text(row.get(name, "")) for name in columns] for row in rows]
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
