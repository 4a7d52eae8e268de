"""Files of older versions, brought up to date step by step."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from perturbridge.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["VERSION", "migrate"]

VERSION = 3


def _from_1(about: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew no labels."""
    return {**about, "version": 2, "labels": [], "label_column": ""}


def _from_2(about: dict[str, Any]) -> dict[str, Any]:
    """Version 2 did not say which penalties the loss had."""
    return {**about, "version": 3, "penalties": []}


_STEPS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = MappingProxyType({1: _from_1, 2: _from_2})


def migrate(about: dict[str, Any], path: Path) -> dict[str, Any]:
    """Bring the text of a model to this version.

    Raises
    ------
    FitError
        If it is of a version that is unknown here.
    """
    while about.get("version") != VERSION:
        version = about.get("version")
        step = _STEPS.get(version) if isinstance(version, int) else None
        if step is None:
            problem = f"{path} is of version {version!r}, this program reads versions 1 to {VERSION}."
            raise FitError(problem, cure="Read it with a later perturbridge, or fit and save the model again.")
        about = step(about)
    return about
