"""A fitted model on disk: `model.json` (names and settings) and `model.safetensors` (arrays), nothing that can run code."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from perturbridge._model_folder import CURE, read_about, read_payload, write_pair
from perturbridge.errors import FitError, PerturbridgeError
from perturbridge.values import as_names, pack_embedding, unpack_embedding

from ._fitted import Fitted
from ._settings import Settings
from ._source_kernel import GeneFeatures, SourceKernel
from ._store_parts import array_in, pack_radii, pack_target, unpack_radii, unpack_target

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_model", "write_model"]

_FORMAT, _VERSION = "perturbridge effect model", 2
# Key of the half-widths of interactions beside those of the kinds of row.
_INTERACTION = "interaction"


def write_model(folder: str | Path, state: Fitted, *, settings: Settings, name: str) -> None:
    """Write both files, each in one step; the text goes last and carries the hash of the arrays."""
    arrays: dict[str, NDArray[Any]] = {
        "intercept": state.intercept,
        "coefficients": state.coefficients,
        "offsets": state.offsets,
        "anchor_weights": state.kernels[0].features.weights,
        "interaction_coefficients": state.interaction_coefficients,
    }
    target, more = pack_target(state.target)
    radii, arrays_of_radii = pack_radii({**state.radii, _INTERACTION: state.interaction_radii})
    arrays |= more | arrays_of_radii
    sources = []
    for i, (kernel, share, reach) in enumerate(zip(state.kernels, state.shares, state.reaches, strict=True)):
        text, parts = pack_embedding(kernel.features.source)
        parts |= {"anchor_rows": kernel.features.rows, "center": kernel.features.center}
        arrays |= {f"source{i}.{key}": value for key, value in parts.items()}
        sources.append(
            {
                **text,
                "kernel": kernel.kind,
                "bandwidth": kernel.bandwidth,
                "share": share,
                "reach": None if np.isinf(reach) else reach,
            }
        )
    payload = save({key: np.ascontiguousarray(value) for key, value in arrays.items()})
    about = {
        "format": _FORMAT,
        "version": _VERSION,
        "name": name,
        "settings": asdict(settings),
        "genes": state.genes,
        "anchors": state.anchors,
        "known": state.known,
        "offsets_in_singles": state.offsets_in_singles,
        "trained_on": [str(name) for name in state.trained_on],
        "split_hash": state.split_hash,
        "report": state.report,
        "interactions": dict(state.interactions),
        "target": target,
        "radii": radii,
        "sources": sources,
    }
    write_pair(Path(folder), about, payload)


def read_model(folder: str | Path) -> tuple[Fitted, Settings, str]:
    """Read and check what `write_model` wrote.

    Raises
    ------
    FitError
        If a file is missing, damaged, of a later version, or does not belong to the other.
    """
    path = Path(folder)
    about = read_about(path, form=_FORMAT, version=_VERSION, what="an effect model")
    arrays = read_payload(path, about)
    try:
        return _assemble(about, load(arrays))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, SafetensorError, PerturbridgeError) as error:
        problem = f"{path} does not hold a whole model: {type(error).__name__}: {error}."
        raise FitError(problem, cure=CURE) from error


def _assemble(about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> tuple[Fitted, Settings, str]:
    genes, anchors, known = (tuple(str(g) for g in about[key]) for key in ("genes", "anchors", "known"))
    weights = array_in(arrays, "anchor_weights", (len(anchors),))
    if weights.size and not weights.min() > 0:
        message = "anchor_weights has an entry that is not positive"
        raise ValueError(message)
    kernels, shares, reaches = [], [], []
    for i, text in enumerate(about["sources"]):
        parts = {key.split(".", 1)[1]: value for key, value in arrays.items() if key.startswith(f"source{i}.")}
        source = unpack_embedding(text, parts)
        rows = array_in(parts, "anchor_rows", (len(anchors),), kind="i")
        if rows.size and not (rows.min() >= -1 and rows.max() < len(source.vectors)):
            message = f"source{i}.anchor_rows points outside its vectors"
            raise ValueError(message)
        center = array_in(parts, "center", (source.n_dims,))
        features = GeneFeatures(source=source, rows=rows, center=center, weights=weights)
        kind, bandwidth = str(text["kernel"]), float(text["bandwidth"])
        if (kind, bandwidth > 0) not in {("linear", False), ("rbf", True)}:
            message = f"source{i} has kernel {kind!r} with bandwidth {bandwidth}"
            raise ValueError(message)
        kernels.append(SourceKernel(features=features, kind=kind, bandwidth=bandwidth))
        shares.append(float(text["share"]))
        reaches.append(float("inf") if text["reach"] is None else float(text["reach"]))
    radii = unpack_radii(about["radii"], arrays, len(genes))
    trained_on = as_names(str(name) for name in about["trained_on"])
    interactions = {str(kind): float(share) for kind, share in about["interactions"].items()}
    n_interacting = sum(not name.is_single for name in trained_on) if any(interactions.values()) else 0
    fitted = Fitted(
        genes=genes,
        anchors=anchors,
        kernels=tuple(kernels),
        shares=tuple(shares),
        reaches=tuple(reaches),
        intercept=array_in(arrays, "intercept", (len(genes),)),
        coefficients=array_in(arrays, "coefficients", (len(anchors), len(genes))),
        known=known,
        offsets=array_in(arrays, "offsets", (len(known), len(genes))),
        offsets_in_singles=bool(about["offsets_in_singles"]),
        interactions=interactions,
        interaction_coefficients=array_in(arrays, "interaction_coefficients", (n_interacting, len(genes))),
        target=unpack_target(about["target"], arrays, len(genes)),
        radii={kind: each for kind, each in radii.items() if kind != _INTERACTION},
        interaction_radii=radii[_INTERACTION],
        trained_on=trained_on,
        split_hash=str(about["split_hash"]),
        report=dict(about["report"]),
    )
    chosen = dict(about["settings"])
    settings = Settings.of(**(chosen | {"groups": dict(chosen["groups"])}))
    return fitted, settings, str(about["name"])
