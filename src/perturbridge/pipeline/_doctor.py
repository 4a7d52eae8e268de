"""What an issue report needs: versions, machine, devices, threads, and whether the tables that ship are whole."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from perturbridge.embeddings import list_sources
from perturbridge.errors import PerturbridgeError
from perturbridge.values import Finding

__all__ = ["doctor"]

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_USEFUL = ("hdf5plugin", "scanpy", "transformers", "sentence-transformers")


def doctor() -> dict[str, Any]:
    """Return plain JSON types: versions of what is installed beside what is required, machine, devices, tables, findings."""
    versions = _versions()
    tables, broken = _tables()
    devices, no_device = _devices()
    return {
        "perturbridge": metadata.version("perturbridge"),
        "python": f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "memory_bytes": _memory(),
        "devices": devices,
        "threads": {name: os.environ.get(name, "not set") for name in _THREADS},
        "versions": versions,
        "tables": tables,
        "findings": [finding.as_json() for finding in (*_missing(versions), *broken, *no_device)],
    }


def _required() -> dict[str, str]:
    """Return the distributions that the package asks for, without extras, and from which version on."""
    found = {}
    for line in metadata.requires("perturbridge") or ():
        match = re.match(r"([A-Za-z0-9._-]+)\s*([^;]*)", line)
        if match and "extra ==" not in line:
            found[match.group(1)] = match.group(2).strip()
    return found


def _versions() -> dict[str, dict[str, str]]:
    required = _required()
    return {
        name: {"installed": _version(name), "required": required.get(name, "optional")}
        for name in sorted({*required, *_USEFUL}, key=str.casefold)
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _missing(versions: dict[str, dict[str, str]]) -> list[Finding]:
    return [
        Finding(
            level="warning",
            code="not_installed",
            message=f"{name} {told['required']} is required and not installed; install perturbridge again with pip.",
            count=1,
            example=name,
        )
        for name, told in versions.items()
        if told["installed"] == "not installed" and told["required"] != "optional"
    ]


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _devices() -> tuple[list[str], list[Finding]]:
    if importlib.util.find_spec("torch") is None:
        return ["cpu"], []
    try:
        import torch

        cards = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return ["cpu", *(f"cuda:{i} {name}" for i, name in enumerate(cards))], []
    # A torch that does not fit its driver or libraries fails in ways of its own.
    except Exception as error:  # noqa: BLE001
        message = f"torch is installed and does not load: {type(error).__name__}, {error}; install it again."
        return ["cpu"], [
            Finding(level="warning", code="torch_does_not_load", message=message, count=1, example="torch")
        ]


def _tables() -> tuple[dict[str, str], list[Finding]]:
    """Return each table that ships with whether its bytes are those of its card."""
    try:
        sources = list_sources()
    except PerturbridgeError as error:
        return {}, [Finding(level="warning", code="no_tables", message=str(error), count=1)]
    told, found = {}, []
    for source in sources:
        with Path(source.path).open("rb") as handle:
            whole = hashlib.file_digest(handle, "sha256").hexdigest() == source.sha256
        told[source.name] = "whole" if whole else "changed"
        if not whole:
            message = f"The table {source.name!r} at {source.path} is not the one that was shipped; install perturbridge again."
            found.append(Finding(level="warning", code="table_changed", message=message, count=1, example=source.name))
    return told, found
