"""Files of older versions, brought up to date step by step."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from perturbridge.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

__all__ = ["VERSION", "check_version", "migrate"]

VERSION = 4


def _from_1(about: dict[str, Any], _tensors: dict[str, Tensor]) -> None:
    """Version 1 knew no labels."""
    about |= {"labels": [], "label_column": ""}


def _from_2(about: dict[str, Any], _tensors: dict[str, Tensor]) -> None:
    """Version 2 did not say which penalties the loss had."""
    about["penalties"] = []


def _from_3(_about: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Version 3 added a constant before each batch norm: W h + b − mean = W h − (mean − b)."""
    for mean in [name for name in tensors if name.endswith(".batch.running_mean")]:
        bias = mean.replace(".norm.", ".linear.").replace(".batch.running_mean", ".bias")
        tensors[mean] = tensors[mean] - tensors.pop(bias)


_STEPS: Mapping[int, Callable[[dict[str, Any], dict[str, Tensor]], None]] = MappingProxyType(
    {1: _from_1, 2: _from_2, 3: _from_3}
)


def check_version(about: Mapping[str, Any], path: Path) -> None:
    """Check that the text at `path` is of this version or one that can be brought to it.

    Raises
    ------
    FitError
        If it is of a version that is unknown here.
    """
    version = about.get("version")
    if version not in (*_STEPS, VERSION):
        problem = f"{path} is of version {version!r}, this program reads versions 1 to {VERSION}."
        raise FitError(problem, cure="Read it with a later perturbridge, or fit and save the model again.")


def migrate(about: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Bring the text and the arrays of a model, of a version that was checked, to this version, in place."""
    for version in range(about["version"], VERSION):
        _STEPS[version](about, tensors)
    about["version"] = VERSION
