"""Effects and predictions from h5ad files."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from perturbridge.errors import DataError
from perturbridge.screens.files._h5 import child, data_set, open_file, read_all, read_texts
from perturbridge.screens.files._h5_frame import frame_index, frame_length
from perturbridge.values import ContextTable, Effects, Finding, OtherControls, Prediction, as_names

from ._profiles_write import EFFECTS_FORMAT, PREDICTION_FORMAT, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

__all__ = ["read_effects", "read_prediction", "stored_text"]


def read_effects(path: str | Path) -> Effects:
    """Read effects that `write_effects` wrote.

    Raises
    ------
    DataError
        If the file cannot be read, holds no effects, or its tables do not belong together.
    """
    with _open(path, EFFECTS_FORMAT) as (file, record):
        perturbations, genes = _axes(file)
        shape = (len(perturbations), len(genes))
        return Effects(
            perturbations=as_names(perturbations),
            genes=genes,
            delta=_matrix(file, "X", shape=shape, dtype=np.float64),
            n_cells=_vector(child(file, "obs"), "n_cells", length=shape[0], dtype=np.int64),
            control_mean=_vector(child(file, "var"), "control_mean", length=shape[1], dtype=np.float64),
            variance=_layer(file, "variance", shape=shape, dtype=np.float64),
            detected=_layer(file, "detected", shape=shape, dtype=np.int64),
            contexts=_contexts(file, record, shape=shape),
            other_controls=_other_controls(record, n_genes=shape[1]),
            fingerprint=stored_text(record, "fingerprint"),
            findings=_findings(record),
        )


def read_prediction(path: str | Path) -> Prediction:
    """Read a prediction that `write_prediction` wrote.

    Raises
    ------
    DataError
        If the file cannot be read, holds no prediction, or its tables do not belong together.
    """
    with _open(path, PREDICTION_FORMAT) as (file, record):
        perturbations, genes = _axes(file)
        shape = (len(perturbations), len(genes))
        obs = child(file, "obs")
        return Prediction(
            perturbations=as_names(perturbations),
            genes=genes,
            delta=_matrix(file, "X", shape=shape, dtype=np.float64),
            status=read_texts(data_set(obs, "status"), length=shape[0]),
            detail=read_texts(data_set(obs, "detail"), length=shape[0]),
            model=stored_text(record, "model"),
            lower=_layer(file, "lower", shape=shape, dtype=np.float64),
            upper=_layer(file, "upper", shape=shape, dtype=np.float64),
            in_training=tuple(_vector(obs, "in_training", length=shape[0], dtype=np.bool_).tolist()),
            split_hash=stored_text(record, "split_hash"),
        )


@contextmanager
def _open(path: str | Path, wanted: str) -> Iterator[tuple[h5py.File, h5py.Group]]:
    kind = wanted.removeprefix("perturbridge-")
    with open_file(path) as file:
        record = file.get("uns/perturbridge")
        found = stored_text(record, "format") if isinstance(record, h5py.Group) and "format" in record else ""
        if found != wanted:
            what = f"holds {found!r}" if found else "was not written by perturbridge"
            problem = f"{str(path)!r} {what}, expected {wanted!r}."
            raise DataError(
                problem, cure=f"Pass a file of write_{kind}, or build the record in Python and write it with that."
            )
        number = stored_text(record, "version")
        if number != str(VERSION):
            problem = f"{str(path)!r} is of version {number}, this program reads version {VERSION}."
            raise DataError(problem, cure="Write it again with this version of perturbridge.")
        yield file, record


def _axes(file: h5py.File) -> tuple[tuple[str, ...], tuple[str, ...]]:
    obs, var = child(file, "obs"), child(file, "var")
    return frame_index(obs, n_rows=frame_length(obs)), frame_index(var, n_rows=frame_length(var))


def stored_text(group: h5py.Group, name: str) -> str:
    """Return one stored value as text."""
    array = data_set(group, name)
    if array.shape != ():
        problem = f"{array.name!r} in {array.file.filename!r} has shape {array.shape}, expected one value."
        raise DataError(problem, cure="Write the file again.")
    value = array[()]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _matrix(parent: h5py.Group, name: str, *, shape: tuple[int, int], dtype: DTypeLike) -> NDArray[Any]:
    array = data_set(parent, name)
    if array.shape != shape or array.dtype.kind not in "iuf":
        problem = f"{array.name!r} in {array.file.filename!r} has shape {array.shape} and type {array.dtype}, expected numbers of shape {shape}."
        raise DataError(problem, cure="The tables of the file do not belong together: write it again.")
    return np.asarray(array[()], dtype=dtype)


def _vector(parent: h5py.Group, name: str, *, length: int, dtype: DTypeLike) -> NDArray[Any]:
    return np.asarray(read_all(data_set(parent, name), length=length), dtype=dtype)


def _layer(file: h5py.File, name: str, *, shape: tuple[int, int], dtype: DTypeLike) -> NDArray[Any] | None:
    layers = file.get("layers")
    if not isinstance(layers, h5py.Group) or name not in layers:
        return None
    return _matrix(layers, name, shape=shape, dtype=dtype)


def _contexts(file: h5py.File, record: h5py.Group, *, shape: tuple[int, int]) -> ContextTable | None:
    if "contexts" not in record:
        return None
    names = read_texts(data_set(record, "contexts"))
    varm, by_gene = child(file, "varm"), (shape[1], len(names))
    return ContextTable(
        names=names,
        n_perturbed=_matrix(child(file, "obsm"), "n_perturbed", shape=(shape[0], len(names)), dtype=np.int64),
        n_control=_vector(record, "n_control", length=len(names), dtype=np.int64),
        control_mean=_by_context(varm, "context_control_mean", shape=by_gene),
        control_variance=_by_context(varm, "context_control_variance", shape=by_gene),
    )


def _other_controls(record: h5py.Group, *, n_genes: int) -> OtherControls | None:
    if "other_controls" not in record:
        return None
    group = child(record, "other_controls")
    kinds = read_texts(data_set(group, "kinds"))
    shape = (len(kinds), n_genes)
    return OtherControls(
        kinds=kinds,
        n_cells=_vector(group, "n_cells", length=len(kinds), dtype=np.int64),
        delta=_matrix(group, "delta", shape=shape, dtype=np.float64),
        noise=_matrix(group, "noise", shape=shape, dtype=np.float64),
    )


def _by_context(varm: h5py.Group, name: str, *, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Turn genes x contexts into contexts x genes in the memory order it was made in, so that products of it are the same too."""
    return np.ascontiguousarray(_matrix(varm, name, shape=shape, dtype=np.float64).T)


def _findings(record: h5py.Group) -> tuple[Finding, ...]:
    try:
        return tuple(Finding(**finding) for finding in json.loads(stored_text(record, "findings")))
    except (ValueError, TypeError) as error:
        problem = f"The findings in {record.file.filename!r} cannot be read: {error}."
        raise DataError(problem, cure="Write the file again.") from error
