"""What a run was: versions, settings, inputs, choices, findings, as plain JSON."""

from __future__ import annotations

import json
import math
import platform
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from perturbridge._files import atomic_file
from perturbridge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["environment", "json_ready", "read_json", "write_json"]

LIBRARIES = ("numpy", "scipy", "pandas", "anndata", "h5py", "numba", "safetensors")


def environment(*, workers: str = "") -> dict[str, Any]:
    """Return the versions a result depends on, and where it was computed.

    Parameters
    ----------
    workers
        Description of the workers, where there were any to choose.
    """
    return {
        "perturbridge": version("perturbridge"),
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "libraries": {name: version(name) for name in LIBRARIES},
        **({"workers": workers} if workers else {}),
    }


def json_ready(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return plain JSON types: arrays as lists, paths as text, NaN and infinities as null."""
    if hasattr(value, "items"):
        return {str(k): json_ready(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        return json_ready(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [json_ready(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def write_json(path: Path, value: object) -> None:
    """Write plain JSON types, indented, atomically."""
    text = json.dumps(json_ready(value), indent=2, ensure_ascii=False) + "\n"
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object of a run folder.

    Raises
    ------
    DataError
        If the file is missing or holds no JSON object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problem = f"{path} cannot be read: {error}."
        raise DataError(problem, cure="Pass a folder that `perturbridge run ... -o FOLDER` wrote.") from error
    if not isinstance(found, dict):
        problem = f"{path} holds no JSON object."
        raise DataError(problem, cure="Pass a folder that `perturbridge run ... -o FOLDER` wrote.")
    return found
