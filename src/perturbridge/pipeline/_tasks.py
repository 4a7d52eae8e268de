"""What the single commands do: pseudo-bulk, save a prediction."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from perturbridge.errors import DataError
from perturbridge.screens import target_changes, write_effects, write_prediction

from ._inputs import forecast_effects, load_effects, load_screen
from ._tables import write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perturbridge.values import Prediction

    from ._config import RunConfig

__all__ = ["check_prediction_format", "save_prediction", "write_pseudobulk"]

PREDICTION_FORMATS = (".h5ad", ".csv", ".tsv", ".parquet")


def write_pseudobulk(
    config: RunConfig,
    out: str | Path,
    *,
    client: object = None,
    memory: str | int | None = None,
    checkpoint: str | Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Sum a screen, write its effects, and return what was summed and noticed.

    Parameters
    ----------
    config
        How to read the screen.
    out
        The h5ad file to write.
    client, memory, checkpoint
        As in `pseudobulk`; sums that do not fit into memory lie beside `out` where no checkpoint is named.
    progress
        Called with a stage, steps done and steps in all.
    tell
        Called with the forecast of memory before a value is read.
    """
    screen = load_screen(config)
    if tell is not None:
        tell(forecast_effects(config, screen, client=client, memory=memory).sentence())
    with _folder(out, memory, checkpoint) as folder:
        effects = load_effects(
            config, screen, client=client, memory=memory, checkpoint=folder, progress=_cells(progress)
        )
    write_effects(effects, out)
    return {
        "n_cells": screen.n_cells,
        "n_genes": len(effects.genes),
        "n_perturbations": len(effects.perturbations),
        "contexts": list(effects.contexts.names) if effects.contexts else [],
        "fingerprint": effects.fingerprint,
        "explanation": list(screen.explanation),
        "findings": [finding.as_json() for finding in (*screen.findings, *effects.findings)],
        "targets": target_changes(effects),
    }


@contextmanager
def _folder(out: str | Path, memory: str | int | None, checkpoint: str | Path | None) -> Iterator[str | Path | None]:
    """Folder of the sums: as named, else one beside the output where there may be sums on disk."""
    if checkpoint is not None or memory is None:
        yield checkpoint
        return
    with TemporaryDirectory(prefix=".sums-", dir=Path(out).absolute().parent) as folder:
        yield folder


def _cells(progress: Callable[[str, int, int], None] | None) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress("cells", done, total)


def check_prediction_format(path: Path) -> None:
    """Refuse an ending that cannot be written, before anything is computed.

    Raises
    ------
    DataError
        If the ending is unknown.
    """
    if path.suffix not in PREDICTION_FORMATS:
        problem = f"{path} has the ending {path.suffix!r}."
        raise DataError(problem, cure=f"Use one of {', '.join(PREDICTION_FORMATS)}.")


def save_prediction(prediction: Prediction, path: str | Path) -> None:
    """Write a prediction as h5ad (all of it) or as a long table: perturbation, gene, delta, bounds where known, status, in_training."""
    check_prediction_format(Path(path))
    if Path(path).suffix == ".h5ad":
        write_prediction(prediction, path)
        return
    import numpy as np
    import pandas as pd

    n_genes = len(prediction.genes)
    columns: dict[str, Any] = {
        "perturbation": np.repeat([str(p) for p in prediction.perturbations], n_genes),
        "gene": np.tile(prediction.genes, len(prediction.perturbations)),
        "delta": prediction.delta.ravel(),
    }
    for bound in ("lower", "upper"):
        values = getattr(prediction, bound)
        if values is not None:
            columns[bound] = values.ravel()
    columns["status"] = np.repeat(prediction.status, n_genes)
    columns["in_training"] = np.repeat(prediction.in_training, n_genes)
    write_table(pd.DataFrame(columns), path)
