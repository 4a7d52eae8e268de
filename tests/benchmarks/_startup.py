"""How long it takes until something can be typed: CPU seconds (user + system) of a whole process, median of seven."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

N_RUNS = {False: 7, True: 3}
CALLS = {
    "python -c pass (the floor)": "pass",
    "import perturbridge": "import perturbridge",
    "perturbridge --help": "import sys; from perturbridge.cli import main; sys.exit(main(['--help']))",
    "import perturbridge.pipeline (all rooms)": "import perturbridge.pipeline",
    "import pandas": "import pandas",
}


def cpu_seconds(code: str) -> float:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(code)
    return usage.ru_utime + usage.ru_stime


def run(*, quick: bool) -> list[dict]:
    rows = []
    for name, code in CALLS.items():
        rows.append({"call": name, "cpu_s": statistics.median(cpu_seconds(code) for _ in range(N_RUNS[quick]))})
    return rows
