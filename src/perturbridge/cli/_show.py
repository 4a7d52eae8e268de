"""Printing: tables for people, JSON for programs, progress on standard error."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console
    from rich.progress import TaskID

__all__ = ["check_output", "console", "print_findings", "print_json", "print_table", "progress_bars"]

STAGES = MappingProxyType(
    {
        "cells": "summing cells",
        "fits": "fitting and scoring",
        "models": "scoring models",
        "pca": "components of the counts",
        "audits": "auditing latents",
        "repairs": "repairing latents",
    }
)


def console() -> Console:
    """Return a console on standard output, as wide as the terminal, or wide enough for our tables where there is none."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 120
    return Console(width=width, highlight=False, emoji=False, markup=False)


def print_json(value: object) -> None:
    """Print plain JSON on standard output."""
    from perturbridge.pipeline import json_ready

    sys.stdout.write(json.dumps(json_ready(value), indent=2, ensure_ascii=False) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, strong: int = -1) -> None:
    """Print text cells under heads; a head that starts with `#` is a number's and set right."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="bold"
    )
    for head in columns:
        table.add_column(Text(head.lstrip("#")), justify="right" if head.startswith("#") else "left", overflow="fold")
    for i, row in enumerate(rows):
        table.add_row(*(Text(cell) for cell in row), style="bold green" if i == strong else None)
    console().print(table)


def print_findings(findings: Sequence[Mapping[str, Any]]) -> None:
    """Print what was noticed, warnings first."""
    from perturbridge.pipeline import finding_line

    out = console()
    for finding in sorted(findings, key=lambda f: f["level"] != "warning"):
        out.print(f"{'!' if finding['level'] == 'warning' else '·'} {finding_line(finding)}")


def check_output(path: Path, *, overwrite: bool, make_folder: bool = False) -> Path:
    """Return `path` if it may be written.

    Raises
    ------
    DataError
        If it exists and `--overwrite` was not given, or its folder does not exist.
    """
    from perturbridge.errors import DataError

    if path.exists() and not overwrite:
        problem = f"{path} exists already."
        raise DataError(problem, cure="Choose another -o, or pass --overwrite.")
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.is_dir():
        problem = f"The folder {path.parent} does not exist."
        raise DataError(problem, cure="Make it first, or choose another -o.")
    return path


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a callback (stage, done, total) that draws bars with the time left, on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    if not sys.stderr.isatty():
        yield lambda _stage, _done, _total: None
        return
    tasks: dict[str, TaskID] = {}
    with bars:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(STAGES.get(stage, stage), total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield tell
