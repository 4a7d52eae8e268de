"""The two files of a fitted model, text and arrays: written so that neither can be taken for part of another model."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from perturbridge._files import atomic_file
from perturbridge.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["ARRAYS", "CURE", "TEXT", "read_about", "read_payload", "write_pair"]

TEXT, ARRAYS = "model.json", "model.safetensors"
CURE = "Fit and save the model again."
_HASH = "arrays_sha256"


def write_pair(folder: Path, about: Mapping[str, Any], payload: bytes) -> None:
    """Write both files into a folder that is made if need be, each in one step; the text goes last and carries the hash of the arrays.

    Parameters
    ----------
    folder
        Where to.
    about
        The text, plain JSON types without NaN.
    payload
        The arrays, as safetensors wrote them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = {**about, _HASH: hashlib.sha256(payload).hexdigest()}
    for file, content in ((ARRAYS, payload), (TEXT, json.dumps(text, allow_nan=False).encode())):
        with atomic_file(folder / file) as temporary:
            temporary.write_bytes(content)


def read_about(folder: Path, *, form: str, version: int, what: str) -> dict[str, Any]:
    """Read the text of a model of this form and version.

    Parameters
    ----------
    folder
        What was written.
    form, version
        What its `format` and `version` must say.
    what
        What messages call it, such as `"an effect model"`.

    Raises
    ------
    FitError
        If the file is missing, damaged, of another form or version.
    """
    path = folder / TEXT
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}."
        raise FitError(problem, cure="Pass the folder that save wrote.") from error
    except (ValueError, RecursionError) as error:
        problem = f"{path} is not JSON: {type(error).__name__}."
        raise FitError(problem, cure=CURE) from error
    if not isinstance(about, dict) or about.get("format") != form:
        problem = f"{path} is not {what}."
        raise FitError(problem, cure="Pass the folder that save wrote.")
    if about.get("version") != version:
        problem = f"{path} has version {about.get('version')!r}, this release reads version {version}."
        raise FitError(problem, cure="Update perturbridge, or fit and save the model again.")
    return about


def read_payload(folder: Path, about: Mapping[str, Any]) -> bytes:
    """Read the arrays that belong to this text.

    Parameters
    ----------
    folder, about
        What was written, and its text.

    Raises
    ------
    FitError
        If the file is missing, damaged or belongs to another text.
    """
    path = folder / ARRAYS
    try:
        payload = path.read_bytes()
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}."
        raise FitError(problem, cure=CURE) from error
    if hashlib.sha256(payload).hexdigest() != about.get(_HASH):
        problem = f"{path} is damaged or belongs to another {TEXT}: its SHA-256 differs."
        raise FitError(problem, cure=CURE)
    return payload
