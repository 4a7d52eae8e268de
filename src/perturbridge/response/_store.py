"""A fitted response on disk: `model.json` (names and settings) and `model.safetensors` (arrays), nothing that can run code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from perturbridge._model_folder import CURE, read_about, read_payload, write_pair
from perturbridge.errors import FitError, PerturbridgeError
from perturbridge.injection import injection_from_json
from perturbridge.values import as_names, pack_embedding, unpack_embedding

from ._bands import Bands
from ._fitted import Fitted
from ._genes import GeneSpace
from ._ladder import Ladder
from ._ridge import RowRidge
from ._settings import ResponseSettings
from ._store_parts import (
    array_in,
    pack_frame,
    pack_head,
    pack_prototypes,
    unpack_frame,
    unpack_head,
    unpack_prototypes,
)
from ._targets import PARTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.injection import InjectionSpec

__all__ = ["read_model", "write_model"]

_FORMAT, _VERSION = "perturbridge response model", 1


def write_model(
    folder: str | Path,
    fitted: Fitted,
    *,
    injection: InjectionSpec | None,
    settings: ResponseSettings,
    name: str,
) -> None:
    """Write both files, each in one step; the text goes last and carries the hash of the arrays."""
    ridge, space = fitted.ridge, fitted.ridge.space
    arrays: dict[str, NDArray[Any]] = {
        "weights": ridge.weights,
        "intercepts": ridge.intercepts,
        "coefficients": ridge.coefficients,
        "displacements": fitted.displacements,
        "folds": fitted.folds,
        "held_out": fitted.held_out,
        "errors": fitted.errors,
    }
    sources = []
    for i, source in enumerate(space.sources):
        text, parts = pack_embedding(source)
        parts |= {"center": space.centers[i], "middle": space.middles[i]}
        arrays |= {f"source{i}.{key}": value for key, value in parts.items()}
        reach = fitted.reaches[i]
        sources.append(
            {
                **text,
                "scale": space.scales[i],
                "length": space.lengths[i],
                "share": space.shares[i],
                "reach": None if np.isinf(reach) else reach,
            }
        )
    packed = {
        "frame": pack_frame(fitted.frame),
        "prototypes": pack_prototypes(fitted.prototypes),
        "head": pack_head(fitted.head),
    }
    for part, (_, more) in packed.items():
        arrays |= {f"{part}.{key}": value for key, value in more.items()}
    if fitted.bands is not None:
        arrays |= {"bands.single": fitted.bands.single, "bands.combination": fitted.bands.combination}
    payload = save({key: np.ascontiguousarray(value) for key, value in arrays.items()})
    about = {
        "format": _FORMAT,
        "version": _VERSION,
        "name": name,
        "settings": settings.as_json(),
        "injection": None if injection is None else injection.as_json(),
        "trained_on": [str(each) for each in fitted.names],
        "alphas": ridge.alphas,
        "certainty": ridge.certainty,
        "sources": sources,
        "ladder": fitted.ladder.as_json(),
        "bands": None if fitted.bands is None else fitted.bands.genes,
        "report": fitted.report,
    } | {part: text for part, (text, _) in packed.items()}
    write_pair(Path(folder), about, payload)


def read_model(folder: str | Path) -> tuple[Fitted, InjectionSpec | None, ResponseSettings, str]:
    """Read and check what `write_model` wrote.

    Raises
    ------
    FitError
        If a file is missing, damaged, of a later version, or does not belong to the other.
    """
    path = Path(folder)
    about = read_about(path, form=_FORMAT, version=_VERSION, what="a response model")
    payload = read_payload(path, about)
    try:
        injection = None if about["injection"] is None else injection_from_json(about["injection"])
        settings = ResponseSettings.from_json(about["settings"])
        fitted = _assemble(about, load(payload), injection=injection, settings=settings)
        return fitted, injection, settings, str(about["name"])
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        RuntimeError,
        SafetensorError,
        PerturbridgeError,
    ) as error:
        problem = f"{path} does not hold a whole model: {type(error).__name__}: {error}."
        raise FitError(problem, cure=CURE) from error


def _assemble(
    about: dict[str, Any],
    arrays: dict[str, NDArray[Any]],
    *,
    injection: InjectionSpec | None,
    settings: ResponseSettings,
) -> Fitted:
    names = as_names(str(each) for each in about["trained_on"])
    n, q = len(names), len(PARTS)

    def under(part: str) -> dict[str, NDArray[Any]]:
        return {key.split(".", 1)[1]: value for key, value in arrays.items() if key.startswith(f"{part}.")}

    frame = unpack_frame(about["frame"], under("frame"))
    prototypes = unpack_prototypes(about["prototypes"], under("prototypes"), frame)
    space = _space(about["sources"], [under(f"source{i}") for i in range(len(about["sources"]))])
    ridge = RowRidge(
        names=names,
        space=space,
        weights=array_in(arrays, "weights", (n,)),
        alphas=tuple(float(alpha) for alpha in about["alphas"]),
        certainty=tuple(float(f) for f in about["certainty"]),
        intercepts=array_in(arrays, "intercepts", (q, n)),
        coefficients=array_in(arrays, "coefficients", (q, n, n)),
    )
    bands = None
    if about["bands"] is not None:
        genes = tuple(str(gene) for gene in about["bands"])
        sizes = (array_in(arrays, f"bands.{kind}", (None, len(genes))) for kind in ("single", "combination"))
        bands = Bands(genes, *sizes)
    shape = (n, len(prototypes.centres), frame.n_dims)
    return Fitted(
        frame=frame,
        ridge=ridge,
        prototypes=prototypes,
        displacements=array_in(arrays, "displacements", shape, kind="f4"),
        reaches=tuple(float("inf") if text["reach"] is None else float(text["reach"]) for text in about["sources"]),
        folds=array_in(arrays, "folds", (n,), kind="i8"),
        held_out=array_in(arrays, "held_out", (q, n, n)),
        errors=array_in(arrays, "errors", (n,)),
        head=unpack_head(about["head"], under("head"), injection=injection, settings=settings, space=space),
        ladder=Ladder.from_json(about["ladder"]),
        bands=bands,
        report=dict(about["report"]),
    )


def _space(texts: list[dict[str, Any]], parts: list[dict[str, NDArray[Any]]]) -> GeneSpace:
    sources = tuple(unpack_embedding(text, arrays) for text, arrays in zip(texts, parts, strict=True))
    return GeneSpace(
        sources=sources,
        centers=tuple(array_in(p, "center", (s.n_dims,)) for p, s in zip(parts, sources, strict=True)),
        middles=tuple(array_in(p, "middle", (s.n_dims,)) for p, s in zip(parts, sources, strict=True)),
        lengths=tuple(float(text["length"]) for text in texts),
        scales=tuple(float(text["scale"]) for text in texts),
        shares=tuple(float(text["share"]) for text in texts),
    )
