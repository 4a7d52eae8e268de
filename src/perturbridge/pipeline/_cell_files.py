"""The cell level of a run on disk, and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file, save_file

from perturbridge._files import atomic_file
from perturbridge.errors import DataError, FitError
from perturbridge.screens import read_split, write_cells
from perturbridge.values import Latent

from ._cell_decoder import LatentDecoder
from ._config import read_config
from ._inputs import load_screen
from ._manifest import write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.response import ResponseModel
    from perturbridge.values import PredictedCells, Screen

    from ._cell_level import CellLevel

__all__ = ["CellPredictor", "cells_record", "open_cell_level", "predict_cells", "save_cells", "write_cell_level"]

_SCHEMA = 1


def write_cell_level(level: CellLevel, folder: Path) -> None:
    """Write `latent/`, `alignment/`, `response/`, `coordinates.safetensors` and `cells.json`, as far as the level came.

    Parameters
    ----------
    level
        The cell level of a run.
    folder
        Inside a run folder that is being made.
    """
    folder.mkdir()
    write_json(
        folder / "cells.json", {"schema": _SCHEMA, "status": level.status, "reason": level.reason, "fold": level.fold}
    )
    if level.model is not None:
        level.model.save(folder / "latent")
    if level.alignment is not None:
        from perturbridge.transport import write_alignment

        write_alignment(level.alignment, folder / "alignment")
    if level.response is not None and level.decoder is not None and level.latent is not None:
        level.response.save(folder / "response")
        names = sorted(level.decoder.back)
        controls = _controls(level.latent.used)
        arrays = {
            "z": level.latent.used.z[controls],
            "cells": level.latent.used.cells[controls],
            **{f"back {i}": level.decoder.back[name] for i, name in enumerate(names)},
        }
        with atomic_file(folder / "coordinates.safetensors") as temporary:
            save_file(
                {key: np.ascontiguousarray(value) for key, value in arrays.items()},
                temporary,
                metadata={"back": json.dumps(names)},
            )


def _controls(latent: Latent) -> NDArray[np.int64]:
    from perturbridge.values import control_cells

    return np.flatnonzero(control_cells(latent.labels["condition"]))


@dataclass(frozen=True, eq=False, kw_only=True)
class CellPredictor:
    """What predicts cells from a run folder.

    Parameters
    ----------
    response, decoder
        Where a perturbation moves cells, and what they express there.
    controls
        Training controls of the run, in the aligned coordinates, with their labels.
    library_size
        Counts of each of them `(n_controls,)`.
    screen
        Where they were read from.
    """

    response: ResponseModel
    decoder: LatentDecoder
    controls: Latent
    library_size: NDArray[np.float64]
    screen: Screen


def open_cell_level(folder: str | Path, *, device: str = "auto") -> CellPredictor:
    """Open the cell level of a run folder; the control cells are read from the run's screen.

    Parameters
    ----------
    folder
        A run folder.
    device
        Where to decode.

    Raises
    ------
    DataError
        If the run holds no cell level, or none that came to predictions, with the reason.
    """
    from perturbridge.latent import LatentModel
    from perturbridge.response import ResponseModel

    path = Path(folder) / "cells"
    if not (path / "cells.json").is_file():
        problem = f"{folder} holds no cell level."
        raise DataError(problem, cure="Run without --no-cell-level, then predict cells.")
    about = json.loads((path / "cells.json").read_text(encoding="utf-8"))
    if about["status"] != "done":
        problem = f"The cell level of {folder} ended as {about['status']}. {about['reason']}"
        raise DataError(problem, cure="Predict profiles (without --cells), or mend what is named and run again.")
    model = LatentModel.load(path / "latent", device=device)
    stored, names = _coordinates(path / "coordinates.safetensors")
    screen = load_screen(read_config(Path(folder) / "config.toml"))
    controls = _labelled(screen, stored, split_hash=read_split(Path(folder) / "split.json").hash)
    back = {name: stored[f"back {i}"].astype(np.float64) for i, name in enumerate(names)}
    return CellPredictor(
        response=ResponseModel.load(path / "response"),
        decoder=LatentDecoder(model=model, back=back),
        controls=controls,
        library_size=_library_sizes(screen, controls.cells),
        screen=screen,
    )


def _coordinates(path: Path) -> tuple[dict[str, NDArray[Any]], list[str]]:
    from safetensors import safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = json.loads((file.metadata() or {})["back"])
        return load_file(path), list(names)
    except (OSError, KeyError, ValueError) as error:
        problem = f"{path} cannot be read: {type(error).__name__}: {error}."
        raise FitError(problem, cure="Run again; the folder is damaged.") from error


def _labelled(screen: Screen, stored: dict[str, NDArray[Any]], *, split_hash: str) -> Latent:
    from perturbridge.latent import carried_labels

    rows = stored["cells"].astype(np.int64)
    if rows.max(initial=0) >= screen.n_cells:
        problem = f"The run's screen has {screen.n_cells} cells now; its controls reach to cell {int(rows.max())}."
        raise DataError(problem, cure="Point config.toml at the file the run was made of.")
    return Latent(
        z=stored["z"], cells=rows, name="controls", labels=carried_labels(screen, rows), split_hash=split_hash
    )


def _library_sizes(screen: Screen, cells: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts of these cells; 10,000 each where the screen holds logarithms, which have lost them."""
    from perturbridge.screens import log_rows

    if screen.normalization.kind != "counts":
        return np.full(len(cells), screen.normalization.target_sum)
    totals = np.zeros(screen.n_cells)
    for part in log_rows(screen):
        totals[part.start : part.start + len(part.totals)] = part.totals
    return np.maximum(totals[cells], 1.0)


def predict_cells(
    folder: str | Path,
    perturbations: Sequence[str],
    *,
    n_cells: int | None = 500,
    expression: str = "counts",
    seed: int = 0,
    device: str = "auto",
) -> PredictedCells:
    """Control cells of a run, moved as each perturbation is predicted to move them, with their counts.

    Parameters
    ----------
    folder
        A run folder.
    perturbations
        Canonical texts.
    n_cells
        Control cells for each; None: all.
    expression
        `"counts"`: drawn from the decoder at each control's own library size. `"means"`: expected counts.
    seed, device
        Of the draws; where to decode.

    Raises
    ------
    DataError
        If the run holds no cell level that came to predictions.
    """
    opened = open_cell_level(folder, device=device)
    return opened.response.predict(
        perturbations,
        controls=opened.controls,
        decoder=opened.decoder,
        n_cells=n_cells if n_cells is None else min(n_cells, opened.controls.n_cells),
        expression=expression,
        library_size=opened.library_size,
        seed=seed,
    )


def save_cells(cells: PredictedCells, path: str | Path) -> None:
    """Write predicted cells as h5ad, whole or not at all."""
    write_cells(cells, path)


def cells_record(cells: PredictedCells) -> list[dict[str, Any]]:
    """One record per perturbation in plain JSON types: cells, status, and how far off their displacement may be."""
    counts = np.bincount(cells.codes, minlength=len(cells.perturbations))
    return [
        {
            "perturbation": str(name),
            "n_cells": int(n),
            "status": status,
            "detail": detail,
            "in_training": seen,
            "radius": float(radius) if np.isfinite(radius) else None,
        }
        for name, n, status, detail, seen, radius in zip(
            cells.perturbations, counts, cells.status, cells.detail, cells.in_training, cells.radius, strict=True
        )
    ]
