"""An alignment on disk: arrays as safetensors, the rest as JSON; nothing in it is code."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from perturbridge._files import atomic_file
from perturbridge.errors import DataError
from perturbridge.values import Alignment, Displacement, DisplacementReport, Finding, PlanReport

from ._store_maps import pack_map, unpack_map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["read_alignment", "write_alignment"]

_SCHEMA = 1
_TEXT, _ARRAYS = "alignment.json", "alignment.safetensors"


def write_alignment(alignment: Alignment, folder: str | Path) -> None:
    """Write `alignment.json` and `alignment.safetensors`; `read_alignment` gives it back to the last bit.

    Parameters
    ----------
    alignment
        What to write.
    folder
        Made if it is not there; each file appears whole or not at all, the text last.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any]] = {
        "centres": alignment.centres,
        "control_weights": alignment.control_weights,
        "context_mass": alignment.context_mass,
    }
    if alignment.cluster_centres is not None:
        arrays["cluster_centres"] = alignment.cluster_centres
    selves = [pack_map(own, f"self {k}", arrays) for k, own in enumerate(alignment.self_maps)]
    moves = [
        [_pack(moved, f"move {p} {k}", arrays) for k, moved in enumerate(row)]
        for p, row in enumerate(alignment.displacements)
    ]
    payload = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    text = {
        "schema": _SCHEMA,
        "arrays_sha256": hashlib.sha256(payload).hexdigest(),
        "perturbations": [str(name) for name in alignment.perturbations],
        "contexts": list(alignment.contexts),
        "strata": [list(pair) for pair in alignment.strata],
        "strata_by": alignment.strata_by,
        "self_maps": selves,
        "displacements": moves,
        "plans": [plan.as_json() for plan in alignment.plans],
        "reports": [report.as_json() for report in alignment.reports],
        "fingerprint": alignment.fingerprint,
        "split_hash": alignment.split_hash,
        "audit": dict(alignment.audit),
        "settings": dict(alignment.settings),
        "findings": [finding.as_json() for finding in alignment.findings],
    }
    written = json.dumps(text, ensure_ascii=False).encode()
    for file, content in ((_ARRAYS, payload), (_TEXT, written)):
        with atomic_file(place / file) as temporary:
            temporary.write_bytes(content)


def _pack(moved: Displacement, name: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    arrays[f"{name} shift"] = moved.shift
    if moved.map is None or moved.mean is None or moved.keep is None:
        return {"map": None}
    arrays[f"{name} mean"], arrays[f"{name} keep"] = moved.mean, moved.keep
    return {"map": pack_map(moved.map, name, arrays)}


def read_alignment(folder: str | Path) -> Alignment:
    """Read what `write_alignment` wrote.

    Parameters
    ----------
    folder
        Holds both files.

    Raises
    ------
    DataError
        If a file is missing, damaged, of a later version, or does not belong to the other.
    """
    place = Path(folder)
    try:
        text = json.loads((place / _TEXT).read_text(encoding="utf-8"))
        if text["schema"] != _SCHEMA:
            problem = f"{place} holds an alignment of schema {text['schema']}; this version reads {_SCHEMA}."
            raise DataError(problem, cure="Update perturbridge, or align again.")
        payload = (place / _ARRAYS).read_bytes()
        if hashlib.sha256(payload).hexdigest() != text["arrays_sha256"]:
            problem = f"{place / _ARRAYS} is damaged or belongs to another {_TEXT}: its SHA-256 differs."
            raise DataError(problem, cure="Align again.")
        return _build(text, load(payload))
    except (OSError, KeyError, TypeError, ValueError, IndexError, RecursionError, SafetensorError) as error:
        problem = f"{place} holds no alignment that can be read: {type(error).__name__}: {error}."
        raise DataError(problem, cure="Pass the folder that write_alignment wrote, with both of its files.") from error


def _build(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Alignment:
    return Alignment(
        perturbations=tuple(text["perturbations"]),
        contexts=tuple(text["contexts"]),
        centres=arrays["centres"],
        strata=tuple((str(context), str(state)) for context, state in text["strata"]),
        strata_by=text["strata_by"],
        cluster_centres=arrays.get("cluster_centres"),
        self_maps=tuple(unpack_map(about, f"self {k}", arrays) for k, about in enumerate(text["self_maps"])),
        displacements=tuple(
            tuple(_unpack(about, f"move {p} {k}", arrays) for k, about in enumerate(row))
            for p, row in enumerate(text["displacements"])
        ),
        plans=tuple(PlanReport(**_numbers(record)) for record in text["plans"]),
        reports=tuple(DisplacementReport(**_numbers(record)) for record in text["reports"]),
        control_weights=arrays["control_weights"],
        context_mass=arrays["context_mass"],
        fingerprint=str(text["fingerprint"]),
        split_hash=str(text["split_hash"]),
        audit=dict(text["audit"]),
        settings=dict(text["settings"]),
        findings=tuple(Finding(**record) for record in text["findings"]),
    )


def _unpack(about: Mapping[str, Any], name: str, arrays: Mapping[str, NDArray[Any]]) -> Displacement:
    shift = arrays[f"{name} shift"]
    if about["map"] is None:
        return Displacement(shift=shift)
    return Displacement(
        shift=shift,
        map=unpack_map(about["map"], name, arrays),
        mean=arrays[f"{name} mean"],
        keep=arrays[f"{name} keep"],
    )


def _numbers(record: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: what is null in a report was one."""
    return {key: float("nan") if value is None else value for key, value in record.items()}
