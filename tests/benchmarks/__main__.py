"""Run every benchmark: `python -m tests.benchmarks [--quick] [name ...]`."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from ._contender import table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="such as pseudobulk; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, for a look at whether everything runs")
    arguments = parser.parse_args()
    found = sorted(path.stem for path in Path(__file__).parent.glob("_*.py") if not path.stem.startswith("__"))
    for stem in found:
        if arguments.names and stem.lstrip("_") not in arguments.names:
            continue
        module = import_module(f"{__package__}.{stem}")
        if not hasattr(module, "run"):
            continue
        print(f"\n## {stem.lstrip('_')}\n\n{(module.__doc__ or '').strip()}\n")
        print(table(module.run(quick=arguments.quick)))


if __name__ == "__main__":
    main()
