"""`model.json` (names and settings) and `model.safetensors` (weights): nothing that can run code, the same on every device."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from perturbridge._model_folder import CURE, TEXT, read_payload, write_pair
from perturbridge.errors import FitError, PerturbridgeError
from perturbridge.injection import injection_from_json
from perturbridge.latent._architecture import Architecture
from perturbridge.latent._fitted import Conditions, Fitted
from perturbridge.latent._noise import generator
from perturbridge.latent.modules._vae import Sizes, Vae
from perturbridge.values import Finding

from ._migrate import VERSION, check_version, migrate

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["pack_model", "read_model", "unpack_model", "write_model"]

FORMAT = "perturbridge latent model"


def write_model(folder: str | Path, fitted: Fitted, *, name: str) -> None:
    """Write both files, each in one step; the text goes last and carries the hash of the arrays."""
    write_pair(Path(folder), *pack_model(fitted, name=name))


def pack_model(fitted: Fitted, *, name: str) -> tuple[dict[str, Any], bytes]:
    """Return what the two files hold: plain JSON types, and the arrays as safetensors."""
    tensors = {f"weights.{key}": value for key, value in fitted.module.state_dict().items()}
    tensors |= {"seen": torch.from_numpy(fitted.seen.copy()), "context_z": torch.from_numpy(fitted.context_z.copy())}
    if fitted.conditions is not None:
        tensors["conditions"] = torch.from_numpy(fitted.conditions.table.copy())
    payload = save({key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()})
    about = {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "architecture": fitted.architecture.as_json(),
        "genes": fitted.genes,
        "contexts": fitted.contexts,
        "context_column": fitted.context_column,
        "n_reference": fitted.n_reference,
        "logged": fitted.logged,
        "target_sum": fitted.target_sum,
        "injection": None if fitted.injection is None else fitted.injection.as_json(),
        "conditions": None if fitted.conditions is None else fitted.conditions.names,
        "labels": fitted.labels,
        "label_column": fitted.label_column,
        "split_hash": fitted.split_hash,
        "screen_mark": fitted.screen_mark,
        "penalties": fitted.penalties,
        "history": fitted.history,
        "settings": fitted.settings,
        "findings": [asdict(finding) for finding in fitted.findings],
    }
    return about, payload


def unpack_model(about: dict[str, Any], payload: bytes, *, device: torch.device) -> Fitted:
    """Return the model that was packed."""
    return _build(about, load(payload), device=device)


def read_model(folder: str | Path, *, device: torch.device) -> tuple[Fitted, str]:
    """Read and check what `write_model` wrote, of this version or an older one; return the model and its name.

    Raises
    ------
    FitError
        If a file is missing, damaged, of a later version, or does not belong to the other.
    """
    path = Path(folder)
    about = _read_text(path / TEXT)
    check_version(about, path / TEXT)
    payload = read_payload(path, about)
    try:
        tensors = load(payload)
        migrate(about, tensors)
        return _build(about, tensors, device=device), str(about["name"])
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError, PerturbridgeError) as error:
        problem = f"{path} is no whole latent model: {type(error).__name__}: {error}."
        raise FitError(problem, cure=CURE) from error


def _read_text(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        problem = f"{path} cannot be read: {error}."
        raise FitError(problem, cure="Pass a folder that LatentModel.save wrote.") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        problem = f"{path} is not a latent model: it has no format {FORMAT!r}."
        raise FitError(problem, cure="Pass a folder that LatentModel.save wrote.")
    return about


def _build(about: dict[str, Any], tensors: dict[str, Tensor], *, device: torch.device) -> Fitted:
    architecture = Architecture(**about["architecture"])
    injection = None if about["injection"] is None else injection_from_json(about["injection"])
    conditions = None
    if about["conditions"] is not None:
        conditions = Conditions(names=tuple(about["conditions"]), table=tensors["conditions"].numpy())
    module = Vae(
        Sizes(
            n_genes=len(about["genes"]),
            n_contexts=len(about["contexts"]),
            n_condition=0 if conditions is None else conditions.table.shape[1],
            n_labels=len(about["labels"]),
        ),
        architecture=architecture,
        injection=injection,
        logged=bool(about["logged"]),
        target_sum=float(about["target_sum"]),
        source=generator(0),
    )
    module.load_state_dict(
        {key.removeprefix("weights."): value for key, value in tensors.items() if key.startswith("weights.")}
    )
    return Fitted(
        module=module.to(device).eval(),
        architecture=architecture,
        genes=tuple(about["genes"]),
        contexts=tuple(about["contexts"]),
        context_column=about["context_column"],
        n_reference=int(about["n_reference"]),
        logged=module.logged,
        target_sum=module.target_sum,
        injection=injection,
        conditions=conditions,
        labels=tuple(about["labels"]),
        label_column=about["label_column"],
        context_z=tensors["context_z"].numpy(),
        split_hash=about["split_hash"],
        seen=tensors["seen"].numpy(),
        screen_mark=about["screen_mark"],
        penalties=tuple(about["penalties"]),
        history=tuple(about["history"]),
        settings=dict(about["settings"]),
        findings=tuple(Finding(**finding) for finding in about["findings"]),
    )
