"""What the commands about latents do: fit, encode, diagnose."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perturbridge._processes import is_first
from perturbridge.errors import DataError
from perturbridge.screens import read_split, write_latent

from ._inputs import load_embedding, load_screen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from perturbridge.latent import LatentModel, LatentSettings
    from perturbridge.values import GeneEmbedding, Screen

    from ._config import RunConfig

__all__ = ["diagnose_latent", "encode_latent", "fit_latent", "read_latent_config"]

# The room of the latent loads torch, which no other command does: it is imported by the functions that need it.


def read_latent_config(path: str | Path | None, *, given: Mapping[str, Any]) -> LatentSettings:
    """Read the settings of a latent model from a TOML file; what is given besides wins.

    Parameters
    ----------
    path
        A file with `design`, `labels`, `embedding`, `penalties` (or tables `[[penalties]]`), `injection` and the tables
        `[architecture]` and `[training]`, all of them optional; None for defaults.
    given
        Any of these, or a setting of either table, by name; None stands for not given.

    Raises
    ------
    DataError
        If the file cannot be read, or a setting in it is unknown.
    FitError
        If a value does not fit.
    """
    from perturbridge.latent import Architecture, Training, latent_settings

    values = {} if path is None else _read_toml(Path(path))
    named = {key: value for key, value in given.items() if value is not None}
    for table, kind in (("architecture", Architecture), ("training", Training)):
        own = {field.name: named.pop(field.name) for field in fields(kind) if field.name in named}
        if own and isinstance(values.get(table, {}), dict):
            values[table] = {**values.get(table, {}), **own}
    return latent_settings({**values, **named})


def fit_latent(
    config: RunConfig,
    out: str | Path,
    *,
    settings: LatentSettings,
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
    settings
        Of the model, such as `read_latent_config` gives them.
    fold
        Fold of the split file whose training cells are used.
    progress
        Called with a stage, steps done and steps in all.
    """
    screen = load_screen(config)
    split = None if config.split_file is None else read_split(config.split_file)
    embedding = _embedding(settings, screen, aliases=config.aliases)
    model = settings.model()
    model.fit(screen, split=split, fold=fold, embedding=embedding, progress=_stage(progress, "steps"))
    # Under torchrun every process ends with the same model; the first one writes it.
    if is_first():
        model.save(out)
    fitted = model.fitted_
    return {
        "n_cells_seen": len(fitted.seen),
        "n_genes": len(fitted.genes),
        "contexts": list(fitted.contexts) if fitted.context_column else [],
        "context_column": fitted.context_column,
        "split_hash": fitted.split_hash,
        "settings": settings.as_json(),
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
    client: object = None,
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
    client
        Dask client, executor or workers that encode ranges of cells; None: this process.
    progress
        Called with a stage, cells done and cells in all.
    """
    opened = _open(model, device)
    screen = load_screen(config)
    latent = opened.encode(
        screen,
        refine=refine,
        unseen="encode" if unseen == "encode" else "raise",
        client=client,
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


def _embedding(settings: LatentSettings, screen: Screen, *, aliases: Path | None) -> GeneEmbedding | None:
    if settings.embedding:
        return load_embedding(settings.embedding, aliases=aliases)
    if settings.injection is None:
        return None
    from perturbridge.latent import one_hot_genes

    return one_hot_genes(screen)


def _open(folder: str | Path, device: str) -> LatentModel:
    from perturbridge.latent import LatentModel

    return LatentModel.load(folder, device=device)


def _stage(progress: Callable[[str, int, int], None] | None, name: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = f"{path} cannot be read as TOML: {error}."
        raise DataError(
            problem, cure="Pass a file with design, penalties and the like, [architecture] and [training]."
        ) from error
