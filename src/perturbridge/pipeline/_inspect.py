"""What a screen holds, how it will be read, what a run of it will take, and the command that runs it."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.errors import DataError
from perturbridge.screens import describe_screen
from perturbridge.values import Finding
from perturbridge.workers import Forecast, as_bytes, show_bytes

from ._embedding_files import coverage_report
from ._inputs import computed_names, load_embeddings, load_screen
from ._own_sources import measured_coverage

if TYPE_CHECKING:
    from perturbridge.values import GeneEmbedding, Screen

    from ._config import RunConfig

__all__ = ["check_memory", "forecast", "inspect", "next_command"]

# Fitted to runs of 10 to 600 perturbations and 160 to 3,000 genes; half and double are within what machines differ by.
_BASE_SECONDS, _BASE_BYTES = 6.0, 390e6
_SECONDS_PER_ENTRY_AND_FIT, _BYTES_PER_ENTRY = 1.6e-6, 170.0
_SECONDS_PER_VALUE = 15e-9
_BYTES_PER_PAIR = 40.0


def inspect(config: RunConfig) -> dict[str, Any]:
    """Describe a screen as it will be read, with the coverage of each embedding; reads labels and a sample of the values.

    No worker could help: what is found out about all values (damaged ones, empty cells, knock-down of the targets) comes with the pass of
    `pseudobulk`, which takes workers.
    """
    screen = load_screen(config)
    genes = sorted({gene for name in screen.perturbations for gene in name.genes})
    embeddings = load_embeddings(config)
    found = dict(describe_screen(screen))
    found["embeddings"] = [
        *(coverage_report(embedding, genes) for embedding in embeddings),
        *(measured_coverage(name, screen) for name in computed_names(config)),
    ]
    found["forecast"] = forecast(screen, embeddings, folds=config.folds)
    has_few = found["cells_per_perturbation"].get("below_2", 0) > 0
    found["next"] = next_command(config, drop_small=has_few)
    return found


def forecast(screen: Screen, embeddings: list[GeneEmbedding], *, folds: int) -> dict[str, Any]:
    """Return about how many CPU seconds and bytes of memory a run takes.

    seconds = 6 + 15 ns per stored value + 1.6 µs · n_perturbations · n_genes · (folds + 1);
    bytes = 390 MB + 170 · n_perturbations · n_genes + 20 · n_contexts · n_genes + 40 · n_perturbations² per source + the vectors.

    Parameters
    ----------
    screen
        Its values are not read.
    embeddings
        The sources of the model.
    folds
        Folds of the cross-validation.
    """
    n, n_genes = len(screen.perturbations), screen.n_genes
    n_contexts = len(screen.context.categories) if screen.context else 1
    ends = screen.source.row_ends()
    n_values = screen.n_cells * n_genes if ends is None else int(ends[-1]) if len(ends) else 0
    vectors = sum(embedding.vectors.nbytes for embedding in embeddings)
    size = _BASE_BYTES + _BYTES_PER_ENTRY * n * n_genes + 20.0 * n_contexts * n_genes
    size += _BYTES_PER_PAIR * n**2 * max(len(embeddings), 1) + 2 * vectors
    seconds = _BASE_SECONDS + _SECONDS_PER_VALUE * n_values + _SECONDS_PER_ENTRY_AND_FIT * n * n_genes * (folds + 1)
    return {"cpu_seconds": float(np.round(seconds, 1)), "memory_bytes": int(size), "n_values": n_values}


def check_memory(
    screen: Screen, embeddings: list[GeneEmbedding], *, folds: int, memory: str | int
) -> tuple[Forecast, tuple[Finding, ...]]:
    """Compare what a run takes with a budget, before it starts.

    Parameters
    ----------
    screen, embeddings, folds
        As in `forecast`.
    memory
        The budget, such as `"16GB"`.

    Returns
    -------
    tuple
        The forecast, and a warning where it is above the budget by less than its own error, a factor of 2.

    Raises
    ------
    DataError
        If even half of the forecast is above the budget.
    """
    budget, expected = as_bytes(memory), forecast(screen, embeddings, folds=folds)["memory_bytes"]
    n = len(screen.perturbations)
    told = Forecast(step="Run", parts={f"{n:,} perturbations x {screen.n_genes:,} genes": expected}, budget=budget)
    what = f"A run on {n:,} perturbations and {screen.n_genes:,} genes takes about {show_bytes(expected)} of memory, give or take a factor of 2; {show_bytes(budget)} are allowed."
    if expected > 2 * budget:
        cure = f"Allow {show_bytes(expected)}, or use fewer perturbations or genes; `perturbridge pseudobulk --memory` sums the screen in any memory."
        raise DataError(what, cure=cure)
    if expected <= budget:
        return told, ()
    return told, (Finding(level="warning", code="memory", message=what),)


def next_command(config: RunConfig, *, drop_small: bool) -> str:
    """Return the command that runs a screen as it was inspected: the same settings, and a folder that does not exist yet."""
    words = ["perturbridge", "run", str(config.screen)]
    for key, field in type(config).model_fields.items():
        value = getattr(config, key)
        if key == "screen" or value == field.default or value is None or key not in _OPTIONS:
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += [_OPTIONS[key], str(one)]
    words += ["--drop-small"] if drop_small or config.on_few == "drop" else []
    return shlex.join([*words, "-o", str(_free_folder(config.screen))])


_OPTIONS = MappingProxyType(
    {
        "embedding": "-e",
        **{
            key: f"--{key.replace('_', '-')}"
            for key in ("aliases", "cells", "preset", "perturbation", "control", "context")
        },
        **{key: f"--{key.replace('_', '-')}" for key in ("sample", "state", "genes", "place", "x_is")},
    }
)


def _free_folder(screen: Path) -> Path:
    """Return `runs/NAME`, or the first `runs/NAME-2`, … that is not taken."""
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in screen.name.split(".")[0]).strip("_") or "screen"
    taken = 1
    while Path("runs", stem if taken == 1 else f"{stem}-{taken}").exists():
        taken += 1
    return Path("runs", stem if taken == 1 else f"{stem}-{taken}")
