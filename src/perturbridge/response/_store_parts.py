"""Parts of a saved response: the frame of the alignment, prototypes, the head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.values import Alignment

from ._gate import GatedHead
from ._prototypes import Prototypes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from perturbridge.injection import InjectionSpec

    from ._genes import GeneSpace
    from ._settings import ResponseSettings

__all__ = [
    "array_in",
    "pack_frame",
    "pack_head",
    "pack_prototypes",
    "unpack_frame",
    "unpack_head",
    "unpack_prototypes",
]


def array_in(
    arrays: Mapping[str, NDArray[Any]], key: str, shape: tuple[int | None, ...], *, kind: str = "f8"
) -> NDArray[Any]:
    """Return an array that has the shape and dtype it must have and is finite; None in `shape` stands for any length."""
    array = arrays[key]
    fits = array.ndim == len(shape) and all(w is None or w == g for w, g in zip(shape, array.shape, strict=True))
    if not fits or array.dtype != np.dtype(kind):
        message = f"{key} is {array.dtype} {array.shape}, not {kind} {shape}"
        raise ValueError(message)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        message = f"{key} has an entry that is not finite"
        raise ValueError(message)
    return array


def pack_frame(frame: Alignment) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return contexts, centres and strata as JSON types and arrays."""
    text = {
        "contexts": frame.contexts,
        "strata": [list(pair) for pair in frame.strata],
        "strata_by": frame.strata_by,
        "fingerprint": frame.fingerprint,
        "split_hash": frame.split_hash,
        "audit": dict(frame.audit),
        "settings": dict(frame.settings),
    }
    arrays: dict[str, NDArray[Any]] = {"centres": frame.centres, "control_weights": frame.control_weights}
    if frame.cluster_centres is not None:
        arrays["cluster_centres"] = np.asarray(frame.cluster_centres, dtype=np.float64)
    return text, arrays


def unpack_frame(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Alignment:
    """Build it back.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a part is missing or does not fit.
    """
    centres = array_in(arrays, "centres", (len(text["contexts"]), None))
    strata = tuple((str(context), str(state)) for context, state in text["strata"])
    clusters = array_in(arrays, "cluster_centres", (None, centres.shape[1])) if "cluster_centres" in arrays else None
    by = text["strata_by"]
    if by not in ("state", "clusters", "none") or (by == "clusters") != (clusters is not None):
        message = f"strata are made by {by!r}"
        raise ValueError(message)
    return Alignment(
        perturbations=(),
        contexts=tuple(str(name) for name in text["contexts"]),
        centres=centres,
        strata=strata,
        strata_by=by,
        cluster_centres=clusters,
        self_maps=(None,) * len(strata),
        displacements=(),
        plans=(),
        reports=(),
        control_weights=array_in(arrays, "control_weights", (len(strata),)),
        context_mass=np.zeros((len(centres),) * 2),
        fingerprint=str(text["fingerprint"]),
        split_hash=str(text["split_hash"]),
        audit=dict(text["audit"]),
        settings=dict(text["settings"]),
    )


def pack_prototypes(prototypes: Prototypes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return prototypes as JSON types and arrays; a stratum without any has spread 0."""
    trend = prototypes.trend
    text = {"bandwidth": prototypes.bandwidth, "trend": None if np.isinf(trend) else trend}
    return text, {
        "centres": prototypes.centres,
        "strata": prototypes.strata,
        "shares": prototypes.shares,
        "spread": np.nan_to_num(prototypes.spread, nan=0.0),
    }


def unpack_prototypes(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], frame: Alignment) -> Prototypes:
    """Build them back.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a part is missing or does not fit.
    """
    n, n_strata = len(arrays["centres"]), len(frame.strata)
    strata = array_in(arrays, "strata", (n,), kind="i8")
    spread = array_in(arrays, "spread", (n_strata,))
    if not n or strata.min() < 0 or strata.max() >= n_strata or not (spread[strata] > 0).all():
        message = f"{n} prototypes lie in strata outside the {n_strata} of the alignment"
        raise ValueError(message)
    return Prototypes(
        centres=array_in(arrays, "centres", (n, frame.n_dims)),
        strata=strata,
        shares=array_in(arrays, "shares", (n,)),
        spread=np.where(spread > 0, spread, np.nan),
        bandwidth=float(text["bandwidth"]),
        trend=float("inf") if text["trend"] is None else float(text["trend"]),
    )


def pack_head(head: GatedHead | None) -> tuple[dict[str, Any] | None, dict[str, NDArray[Any]]]:
    """Return the residual as JSON types and arrays, None where there is none."""
    return (None, {}) if head is None else head.pack()


def unpack_head(
    text: dict[str, Any] | None,
    arrays: dict[str, NDArray[Any]],
    *,
    injection: InjectionSpec | None,
    settings: ResponseSettings,
    space: GeneSpace,
) -> GatedHead | None:
    """Build it back.

    Raises
    ------
    KeyError, TypeError, ValueError, RuntimeError
        If a part is missing or does not fit.
    """
    if text is None:
        return None
    if injection is None:
        message = "there is a residual and no injection"
        raise ValueError(message)
    return GatedHead.unpack(text, arrays, injection=injection, settings=settings, sources=space.sources)
