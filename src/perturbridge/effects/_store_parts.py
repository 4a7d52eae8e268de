"""Intervals and the target gene inside a saved model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._intervals import LEVELS, Radii
from ._target_gene import TargetGene

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["array_in", "pack_radii", "pack_target", "unpack_radii", "unpack_target"]


def array_in(arrays: Mapping[str, NDArray[Any]], key: str, shape: tuple[int, ...], *, kind: str = "f") -> NDArray[Any]:
    """Return an array that has the shape and kind it must have."""
    array = arrays[key]
    if array.shape != shape or array.dtype.kind != kind or array.dtype.itemsize != 8:
        message = f"{key} is {array.dtype} {array.shape}, not 8-byte {kind!r} {shape}"
        raise ValueError(message)
    if kind == "f" and not np.isfinite(array).all():
        message = f"{key} has an entry that is not finite"
        raise ValueError(message)
    return array


def _pack(radii: Radii, key: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    text = {"n_rows": radii.n_rows, "levels": list(radii.levels), "key": key}
    return text, {f"{key}.{part}": getattr(radii, part) for part in ("by_gene", "spread", "profile")}


def _unpack(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], n_genes: int) -> Radii:
    levels, key = tuple(float(level) for level in text["levels"]), str(text["key"])
    if not set(levels) <= set(LEVELS):
        message = f"{key} has levels {levels}"
        raise ValueError(message)
    by_gene = array_in(arrays, f"{key}.by_gene", (len(levels), n_genes))
    spread = array_in(arrays, f"{key}.spread", (n_genes,))
    profile = array_in(arrays, f"{key}.profile", (len(levels),))
    if min(by_gene.min(initial=0.0), spread.min(initial=0.0), profile.min(initial=0.0)) < 0:
        message = f"{key} has a negative half-width"
        raise ValueError(message)
    return Radii(n_rows=int(text["n_rows"]), levels=levels, by_gene=by_gene, spread=spread, profile=profile)


def pack_radii(radii: Mapping[str, Radii]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return half-widths by kind of row as JSON types and arrays."""
    text: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for i, (kind, each) in enumerate(radii.items()):
        text[kind], more = _pack(each, f"radii{i}")
        arrays |= more
    return text, arrays


def unpack_radii(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], n_genes: int) -> dict[str, Radii]:
    """Build them back.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a part is missing or does not fit.
    """
    return {str(kind): _unpack(each, arrays, n_genes) for kind, each in text.items()}


def pack_target(target: TargetGene) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the target-gene model as JSON types and arrays."""
    radii, arrays = _pack(target.radii, "target")
    text = {"kind": target.kind, "value": target.value, "n_targets": target.n_targets, "radii": radii}
    columns = np.array(sorted(target.measured), dtype=np.int64)
    arrays |= {
        "target.control": target.control,
        "target.columns": columns,
        "target.values": np.array([target.measured[int(c)] for c in columns], dtype=np.float64),
    }
    return text, arrays


def unpack_target(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], n_genes: int) -> TargetGene:
    """Build it back.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a part is missing or does not fit.
    """
    n = len(arrays["target.columns"])
    columns = array_in(arrays, "target.columns", (n,), kind="i")
    values = array_in(arrays, "target.values", (n,))
    kind, value = str(text["kind"]), float(text["value"])
    if kind not in ("fold", "shift", "none") or (kind == "fold" and not value > 0):
        message = f"the target gene has kind {kind!r} and value {value}"
        raise ValueError(message)
    return TargetGene(
        kind=kind,
        value=value,
        control=array_in(arrays, "target.control", (n_genes,)),
        measured=dict(zip(columns.tolist(), values.tolist(), strict=True)),
        radii=_unpack(text["radii"], arrays, 1),
        n_targets=int(text["n_targets"]),
    )
