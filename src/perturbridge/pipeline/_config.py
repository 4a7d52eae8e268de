"""The settings of a run: the same names in Python, on the command line, in TOML and in the manifest."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from perturbridge._checks import nearest_names
from perturbridge.errors import DataError

__all__ = ["RunConfig", "config_from_mapping", "config_to_toml", "read_config"]


class RunConfig(BaseModel):
    """Everything that decides what a run does.

    Parameters
    ----------
    screen
        The screen, in any form that `read_screen` opens; several files as a folder or a pattern.
    embedding
        Embedding files, or names of tables that ship; each is one source of the model. `coexpression` (of genes over control cells) and
        `training_responses` (of genes to the training perturbations, anew in each fit) are computed from the screen itself.
    aliases
        A table of gene names of your own (tsv: symbol, previous, alias, ensembl), instead of the one that ships.
    cells
        A table of the cells, matched by barcode, where the labels are not in the screen's own files.
    preset, perturbation, control, context, sample, state, genes, place, x_is
        How to read the screen; what is left out is detected, and the report says how. `control` holds labels or kinds of controls, as in
        `read_screen`.
    target_sum
        Counts per cell after scaling.
    min_cells, on_few
        Perturbations with fewer cells stop the run (`"raise"`) or are left out and listed (`"drop"`).
    kernel
        `"auto"` lets leave-one-out choose between `"linear"` and `"rbf"`.
    split, folds
        `"perturbation"`: k folds over perturbations. `"combination"`: genes are held out, pairs reported by genes seen.
        `"similarity"`: perturbations alike in the first embedding are held out together. `"context"`, `"sample"`, `"state"`: whole
        levels are held out, one to a fold where there are no more of them than `folds`; training Δ is measured on the other cells alone.
    split_file
        Use this split instead of drawing one: our split.json, a GEARS pickle, a STATE TOML or a table.
    cell_level
        Whether cells are predicted too: a latent, its audit, transport and a response, on the training side of the first fold.
    override_audit
        Reason for which the gate before transport is opened against the audit; empty: it is not.
    device
        Where the latent is trained: `"auto"`, `"cpu"` or `"cuda"`.
    seed
        Draws the folds and the shuffled baseline.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    screen: Path
    embedding: tuple[str, ...] = ("go_words",)
    aliases: Path | None = None
    cells: Path | None = None
    preset: str | None = None
    perturbation: str | None = None
    control: tuple[str, ...] | None = None
    context: str | None = None
    sample: str | None = None
    state: str | None = None
    genes: str | None = None
    place: str | None = None
    x_is: Literal["counts", "log1p"] | None = None
    target_sum: float = Field(default=1e4, gt=0)
    min_cells: int = Field(default=2, ge=1)
    on_few: Literal["raise", "drop"] = "raise"
    kernel: Literal["auto", "linear", "rbf"] = "auto"
    split: Literal["perturbation", "combination", "similarity", "context", "sample", "state"] = "perturbation"
    folds: int = Field(default=5, ge=2)
    split_file: Path | None = None
    cell_level: bool = True
    override_audit: str = ""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = Field(default=0, ge=0)


def config_from_mapping(values: dict[str, Any]) -> RunConfig:
    """Build a configuration.

    Raises
    ------
    DataError
        If a key is unknown (with the nearest valid ones) or a value does not fit; the first fault and how many there are.
    """
    known = list(RunConfig.model_fields)
    unknown = [key for key in values if key not in known]
    if unknown:
        problem = f"{len(unknown)} settings are unknown, the first is {unknown[0]!r}."
        raise DataError(problem, cure=f"Nearest valid names: {nearest_names(unknown[0], known)}.")
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        faults = error.errors()
        key = ".".join(str(part) for part in faults[0]["loc"])
        problem = f"{len(faults)} settings do not fit, the first is {key!r}: {faults[0]['msg']}."
        raise DataError(problem, cure=f"Mend {key!r}; its value was {faults[0].get('input')!r}.") from error


def read_config(path: str | Path) -> RunConfig:
    """Read a run's TOML file; relative paths in it start at the file's folder.

    Raises
    ------
    DataError
        If the file is missing, is not TOML, or holds an unknown setting.
    """
    file = Path(path)
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = f"{file} cannot be read as TOML: {error}."
        raise DataError(problem, cure="Pass a TOML file such as the config.toml of a run folder.") from error
    for key in ("screen", "split_file", "aliases", "cells"):
        if key in values:
            values[key] = file.parent / str(values[key])
    embedding = values.get("embedding", RunConfig.model_fields["embedding"].default)
    if isinstance(embedding, str):
        embedding = [embedding]
    beside = [file.parent / str(name) for name in embedding]
    values["embedding"] = [str(b) if b.exists() else str(e) for b, e in zip(beside, embedding, strict=True)]
    return config_from_mapping(values)


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    escaped = "".join(_toml_character(c) for c in str(value))
    return f'"{escaped}"'


def _toml_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if ord(character) < 32 or ord(character) == 127:
        return f"\\u{ord(character):04x}"
    return character


def config_to_toml(config: RunConfig) -> str:
    """Return TOML text that `read_config` turns into the same configuration (None is left out; paths made absolute)."""
    lines = []
    for key, value in config.model_dump().items():
        if value is None:
            continue
        shown = value.resolve() if isinstance(value, Path) else value
        if key == "embedding":
            shown = [str(Path(v).resolve()) if Path(v).exists() else v for v in value]
        lines.append(f"{key} = {_toml_value(shown)}")
    return "\n".join(lines) + "\n"
