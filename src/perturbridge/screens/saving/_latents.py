"""A latent as an h5ad file whose `obsm` every tool of the field reads."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd

from perturbridge._mapped import stretches
from perturbridge.errors import DataError
from perturbridge.screens.files._h5 import child, data_set, open_file, read_all
from perturbridge.screens.files._h5_frame import frame_columns, frame_length, read_column
from perturbridge.screens.files._obsm import stored_coordinates
from perturbridge.values import Finding, FittedStep, Latent

from ._h5ad_write import plain_strings
from ._profiles_read import stored_text
from ._profiles_write import head

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["LATENT_KEY", "read_latent", "write_latent"]

LATENT_FORMAT = "perturbridge-latent"
LATENT_KEY = "X_perturbridge"
NAMES_AT_ONCE = 65_536
UNIT = "coordinates of cells in a latent space"


def write_latent(latent: Latent, path: str | Path, *, cell_names: Sequence[str] = ()) -> None:
    """Write a latent as h5ad; `read_latent` gives it back to the last bit.

    `obsm["X_perturbridge"]` holds z, `obs` the labels that travelled along under the names of their columns, `row` (of the screen) and
    `trained`,
    `uns["perturbridge"]` name, recipe, split hash, fingerprint, steps and findings (the last two as JSON text). X has no columns.

    Parameters
    ----------
    latent
        What to write.
    path
        The file appears whole or not at all.
    cell_names
        Index of `obs` `(n_cells,)`; default: `cell` and the row of the screen.

    Raises
    ------
    DataError
        If the names do not fit the cells, or the file cannot be written.
    """
    if cell_names and len(cell_names) != latent.n_cells:
        problem = f"{len(cell_names)} names were given for {latent.n_cells} cells."
        raise DataError(problem, cure="Give one name per cell, or none.")
    from anndata.io import write_elem

    places = _places(latent)
    record = {
        **head(LATENT_FORMAT, unit=UNIT),
        "name": latent.name,
        "made_by": latent.made_by,
        "split_hash": latent.split_hash,
        "fingerprint": latent.fingerprint,
        "columns": json.dumps({role: [places[role], labels.column] for role, labels in latent.labels.items()}),
        "steps": json.dumps([asdict(step) for step in latent.steps]),
        "findings": json.dumps([finding.as_json() for finding in latent.findings]),
    }
    with plain_strings(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        write_elem(file, "X", np.zeros((latent.n_cells, 0), dtype=np.float32))
        _write_cells(file, latent, places, names=cell_names)
        write_elem(file, "var", pd.DataFrame(index=pd.Index([], dtype=object)))
        write_elem(file, "uns", {"perturbridge": record})
        for empty in ("layers", "obsm", "obsp", "varm", "varp"):
            write_elem(file, empty, {})
        z = file.create_dataset(f"obsm/{LATENT_KEY}", shape=latent.z.shape, dtype=latent.z.dtype)
        z.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        for start, part in stretches(latent.z):
            z[start : start + len(part)] = part


def _write_cells(file: h5py.File, latent: Latent, places: Mapping[str, str], *, names: Sequence[str]) -> None:
    """Write `obs` a column at a time, and its index a stretch at a time: as Python strings the names of all cells take most of the memory."""
    from anndata.io import write_elem

    obs = file.create_group("obs")
    columns: dict[str, Any] = {"row": latent.cells}
    for role, labels in latent.labels.items():
        categories = pd.Index(list(labels.categories), dtype=object)
        columns[places[role]] = pd.Categorical.from_codes(labels.codes, categories=categories)
    if latent.trained is not None:
        columns["trained"] = latent.trained
    for name, values in columns.items():
        write_elem(obs, name, values)
    index = obs.create_dataset("_index", shape=(latent.n_cells,), dtype=h5py.string_dtype())
    index.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
    for start in range(0, latent.n_cells, NAMES_AT_ONCE):
        rows = latent.cells[start : start + NAMES_AT_ONCE].tolist()
        index[start : start + len(rows)] = list(names[start : start + len(rows)]) or [f"cell{row}" for row in rows]
    obs.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
    obs.attrs["column-order"] = np.array(list(columns), dtype=object)


def read_latent(path: str | Path) -> Latent:
    """Read a latent that `write_latent` wrote, and check it against its fingerprint.

    Raises
    ------
    DataError
        If the file cannot be read, holds no latent, or its coordinates are not those that were written.
    """
    with open_file(path) as file:
        record = file.get("uns/perturbridge")
        found = stored_text(record, "format") if isinstance(record, h5py.Group) and "format" in record else ""
        if found != LATENT_FORMAT:
            problem = f"{str(path)!r} holds {found or 'nothing of ours'!r}, expected {LATENT_FORMAT!r}."
            raise DataError(problem, cure="Pass a file of write_latent; any other obsm can be audited as it is.")
        obs = child(file, "obs")
        n_cells = frame_length(obs)
        columns = _json(record, "columns")
        z = data_set(child(file, "obsm"), LATENT_KEY)
        latent = Latent(
            z=stored_coordinates(z, name=f"obsm[{LATENT_KEY!r}]"),
            cells=read_all(data_set(obs, "row"), length=n_cells),
            name=stored_text(record, "name"),
            made_by=stored_text(record, "made_by"),
            labels={
                role: _renamed(read_column(obs, place, n_rows=n_cells).as_grouping(), column)
                for role, (place, column) in columns.items()
            },
            split_hash=stored_text(record, "split_hash"),
            trained=read_all(data_set(obs, "trained"), length=n_cells) if "trained" in frame_columns(obs) else None,
            steps=tuple(FittedStep(**step) for step in _json(record, "steps")),
            findings=tuple(Finding(**finding) for finding in _json(record, "findings")),
        )
        if latent.fingerprint != stored_text(record, "fingerprint"):
            problem = f"The coordinates in {str(path)!r} were changed after they were written."
            raise DataError(problem, cure="Encode the screen again, or audit the changed coordinates as your own.")
        return latent


def _places(latent: Latent) -> dict[str, str]:
    """Column of `obs` for the labels of each role: their own name, or the role where that name is taken."""
    taken, places = {"row", "trained"}, {}
    for role, labels in latent.labels.items():
        places[role] = role if labels.column in taken or not labels.column else labels.column
        taken.add(places[role])
    return places


def _renamed(labels: Any, column: str) -> Any:  # noqa: ANN401 - the record of the same kind
    return type(labels)(column, labels.categories, labels.codes)


def _json(record: h5py.Group, name: str) -> Any:  # noqa: ANN401 - what JSON holds
    try:
        return json.loads(stored_text(record, name))
    except ValueError as error:
        problem = f"{name!r} in {record.file.filename!r} cannot be read: {error}."
        raise DataError(problem, cure="Write the file again.") from error
