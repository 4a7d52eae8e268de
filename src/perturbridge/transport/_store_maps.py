"""Maps as arrays and JSON types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perturbridge.values import AffineMap, NearestMap, SoftMap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from perturbridge.values import CellMap

__all__ = ["pack_map", "unpack_map"]


def pack_map(given: CellMap | None, name: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Any] | None:
    """Put the arrays of a map among `arrays` under names that begin with `name`, and return the rest as JSON types."""
    if given is None:
        return None
    if isinstance(given, SoftMap):
        arrays[f"{name} targets"], arrays[f"{name} potentials"] = given.targets, given.potentials
        return {"kind": "soft", "epsilon": given.epsilon, "leaves_self": given.leaves_self}
    if isinstance(given, AffineMap):
        arrays[f"{name} linear"], arrays[f"{name} origin"] = given.linear, given.origin
        arrays[f"{name} image"] = given.image
        return {"kind": "affine"}
    arrays[f"{name} sources"], arrays[f"{name} shifts"] = given.sources, given.shifts
    return {"kind": "nearest"}


def unpack_map(about: Mapping[str, Any] | None, name: str, arrays: Mapping[str, NDArray[Any]]) -> CellMap | None:
    """Build a map from what `pack_map` left.

    Raises
    ------
    KeyError, ValueError
        If an array is missing or the kind unknown.
    """
    if about is None:
        return None
    if about["kind"] == "soft":
        targets, potentials = arrays[f"{name} targets"], arrays[f"{name} potentials"]
        return SoftMap(targets, potentials, float(about["epsilon"]), bool(about["leaves_self"]))
    if about["kind"] == "affine":
        return AffineMap(arrays[f"{name} linear"], arrays[f"{name} origin"], arrays[f"{name} image"])
    if about["kind"] == "nearest":
        return NearestMap(arrays[f"{name} sources"], arrays[f"{name} shifts"])
    message = f"a map of kind {about['kind']!r}"
    raise ValueError(message)
