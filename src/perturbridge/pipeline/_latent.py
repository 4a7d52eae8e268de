"""What the commands about latents do: fit, encode, diagnose."""

from __future__ import annotations

import os
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perturbridge._checks import nearest_names
from perturbridge.errors import DataError
from perturbridge.screens import read_split, write_latent

from ._inputs import load_screen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from perturbridge.latent import Architecture, LatentModel, Training

    from ._config import RunConfig

__all__ = ["diagnose_latent", "encode_latent", "fit_latent", "read_latent_config"]

# The room of the latent loads torch, which no other command does: it is imported by the functions that need it.


def read_latent_config(path: str | Path | None, *, given: Mapping[str, Any]) -> tuple[Architecture, Training]:
    """Read `[architecture]` and `[training]` of a TOML file; what is given besides wins.

    Parameters
    ----------
    path
        The file, or None for defaults.
    given
        Settings of either, by name; None stands for not given.

    Raises
    ------
    DataError
        If the file cannot be read, or a table or setting in it is unknown.
    FitError
        If a value does not fit.
    """
    from perturbridge.latent import Architecture, Training

    tables = {} if path is None else _read_toml(Path(path))
    kinds = {"architecture": Architecture, "training": Training}
    unknown = sorted(set(tables) - set(kinds))
    if unknown:
        problem = f"{path} has {len(unknown)} tables that are unknown, the first is {unknown[0]!r}."
        raise DataError(problem, cure="Use [architecture] and [training].")
    made = []
    for name, kind in kinds.items():
        known = [field.name for field in fields(kind)]
        values = dict(tables.get(name, {}))
        bad = sorted(set(values) - set(known))
        if bad:
            problem = f"{len(bad)} settings in [{name}] are unknown, the first is {bad[0]!r}."
            raise DataError(problem, cure=f"Nearest valid names: {nearest_names(bad[0], known)}.")
        values |= {key: value for key, value in given.items() if key in known and value is not None}
        if "checkpoint" in values:
            values["checkpoint"] = Path(values["checkpoint"])
        try:
            made.append(kind(**values))
        except TypeError as error:
            problem = f"A setting in [{name}] has a value of the wrong type: {error}."
            raise DataError(problem, cure="Write numbers without quotation marks, and names with them.") from error
    architecture, training = made
    return architecture, training


def fit_latent(
    config: RunConfig,
    out: str | Path,
    *,
    architecture: Architecture,
    training: Training,
    labels: str | None = None,
    fold: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Fit a latent model on the training cells of a screen and save it; return what was fitted and how it went.

    Parameters
    ----------
    config
        How to read the screen, its context, and a split file.
    out
        Folder of the model.
    architecture, training
        Settings of the model.
    labels
        Grouping for semi-supervision.
    fold
        Fold of the split file whose training cells are used.
    progress
        Called with a stage, steps done and steps in all.
    """
    from perturbridge.latent import LatentModel

    screen = load_screen(config)
    split = None if config.split_file is None else read_split(config.split_file)
    model = LatentModel(architecture=architecture, training=training, labels=labels)
    model.fit(screen, split=split, fold=fold, progress=_stage(progress, "steps"))
    # Under torchrun every process ends with the same model; the first one writes it.
    if os.environ.get("RANK", "0") == "0":
        model.save(out)
    fitted = model.fitted_
    return {
        "n_cells_seen": len(fitted.seen),
        "n_genes": len(fitted.genes),
        "contexts": list(fitted.contexts) if fitted.context_column else [],
        "context_column": fitted.context_column,
        "split_hash": fitted.split_hash,
        "epochs": len(fitted.history),
        "last": fitted.history[-1],
        "findings": [finding.as_json() for finding in (*screen.findings, *fitted.findings)],
    }


def encode_latent(
    model: str | Path,
    config: RunConfig,
    out: str | Path,
    *,
    device: str = "auto",
    refine: int = 0,
    unseen: str = "raise",
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Encode every cell of a screen with a saved model and write `obsm["X_perturbridge"]`.

    Parameters
    ----------
    model
        Folder of the model.
    config
        How to read the screen.
    out
        The h5ad file to write.
    device
        Where to compute.
    refine
        Steps on each cell's own posterior.
    unseen
        `"raise"` or `"encode"`: what to do about contexts that were not seen in training.
    progress
        Called with a stage, cells done and cells in all.
    """
    opened = _open(model, device)
    screen = load_screen(config)
    latent = opened.encode(
        screen,
        refine=refine,
        unseen="encode" if unseen == "encode" else "raise",
        progress=_stage(progress, "cells encoded"),
    )
    write_latent(latent, out)
    return {
        "n_cells": latent.n_cells,
        "n_dims": latent.n_dims,
        "n_seen_by_fit": None if latent.trained is None else int(latent.trained.sum()),
        "split_hash": latent.split_hash,
        "fingerprint": latent.fingerprint,
        "findings": [finding.as_json() for finding in latent.findings],
    }


def diagnose_latent(
    model: str | Path, config: RunConfig, *, device: str = "auto", n_cells: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Diagnose a saved model on a sample of cells, in plain JSON types.

    Parameters
    ----------
    model
        Folder of the model.
    config
        How to read the screen.
    device
        Where to compute.
    n_cells, seed
        Size of the sample, and what draws it.
    """
    return _open(model, device).diagnose(load_screen(config), n_cells=n_cells, seed=seed).as_json()


def _open(folder: str | Path, device: str) -> LatentModel:
    from perturbridge.latent import LatentModel

    return LatentModel.load(folder, device=device)


def _stage(progress: Callable[[str, int, int], None] | None, name: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)


def _read_toml(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = f"{path} cannot be read as TOML: {error}."
        raise DataError(problem, cure="Pass a file with the tables [architecture] and [training].") from error
    loose = [name for name, value in tables.items() if not isinstance(value, dict)]
    if loose:
        problem = f"{path} has {len(loose)} settings outside any table, the first is {loose[0]!r}."
        raise DataError(problem, cure="Put each under [architecture] or [training].")
    return tables
