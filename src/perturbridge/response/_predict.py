"""Predicted cells and profiles: control cells, moved, decoded, compared with themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import one_of
from perturbridge._rng import spawn
from perturbridge.errors import DataError, FitError
from perturbridge.values import Labels, PredictedCells, Prediction

from ._bands import Bands, quantile
from ._cells import control_rows, place
from ._decoding import Decoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Decoder, Effects, Latent, PerturbationName

    from ._cells import Placed
    from ._fitted import Fitted

__all__ = ["Request", "chosen_controls", "held_out_profiles", "measure_bands", "predict"]

_CHOICES, _COUNTS = 31, 32


@dataclass(frozen=True, eq=False, kw_only=True)
class Request:
    """What is asked of a fitted model; see `ResponseModel.predict`."""

    controls: Latent
    decoder: Decoder | None = None
    n_cells: int | None = None
    expression: str = "none"
    library_size: NDArray[np.float64] | float = 1e4
    level: float = 0.9
    seed: int = 0


def chosen_controls(fitted: Fitted, request: Request) -> Placed:
    """Draw controls that can be moved, in the order of the latent.

    Raises
    ------
    DataError
        If there are none, or fewer than one was asked for.
    """
    placed = place(fitted.frame, request.controls, control_rows(request.controls))
    n = len(placed.rows) if request.n_cells is None else int(request.n_cells)
    if not len(placed.rows) or n < 1:
        problem = f"{n} cells are asked for; {len(placed.rows)} controls can be moved, {placed.n_left_out} lie in no context and stratum of the alignment."
        raise DataError(problem, cure="Pass controls of the contexts and states the model was fitted on.")
    rng = np.random.default_rng((_CHOICES, request.seed))
    return placed.take(np.sort(rng.permutation(len(placed.rows))[:n]))


def predict(fitted: Fitted, names: tuple[PerturbationName, ...], request: Request, *, model: str) -> PredictedCells:
    """Move the controls by every perturbation; see `ResponseModel.predict`."""
    one_of("expression", request.expression, ("counts", "means", "none"))
    chosen = chosen_controls(fitted, request)
    decoding = None if request.decoder is None else Decoding.of(request.decoder, request.controls, chosen.rows)
    shown = request.expression if decoding is not None else "none"
    library = _library(request, chosen)
    z0 = request.controls.z[chosen.rows].astype(np.float64)
    streams = spawn(np.random.default_rng((_COUNTS, request.seed)), len(names))
    z, expression, means = [], [], []
    for name, rng in zip(names, streams, strict=True):
        moved = (z0 + fitted.displacement([name], chosen.x, chosen.strata)[0]).astype(np.float32)
        z.append(moved)
        if decoding is not None:
            means.append(decoding.mean_log1p(moved))
        if decoding is not None and shown != "none":
            expression.append(decoding.expression(moved, library, rng=rng if shown == "counts" else None))
    status, detail = fitted.statuses(names)
    context = request.controls.labels.get("context")
    n, trained = len(chosen.rows), set(fitted.names)
    radius = quantile(fitted.errors, request.level)
    return PredictedCells(
        perturbations=names,
        z=np.concatenate([*z, np.zeros((0, fitted.frame.n_dims), dtype=np.float32)]),
        codes=np.repeat(np.arange(len(names)), n),
        controls=np.tile(request.controls.cells[chosen.rows], len(names)),
        context=None if context is None else _tiled(context, chosen.rows, len(names)),
        status=status,
        detail=detail,
        in_training=tuple(name in trained for name in names),
        radius=np.array([_radius(radius, name) for name in names]),
        level=request.level,
        library_size=np.tile(library, len(names)) if expression else None,
        genes=request.decoder.genes if request.decoder is not None and expression else (),
        expression=np.concatenate(expression) if expression else None,
        expression_is="none" if not expression else "counts" if shown == "counts" else "means",
        profile=None
        if decoding is None
        else _profile(fitted, names, decoding, z0=z0, means=means, level=request.level, model=model),
        model=model,
        split_hash=fitted.frame.split_hash,
    )


def _tiled(labels: Labels, rows: NDArray[np.int64], n: int) -> Labels:
    return Labels(labels.column, labels.categories, np.tile(labels.codes[rows], n))


def _radius(radius: NDArray[np.float64] | None, name: PerturbationName) -> float:
    """As if the errors of the genes of a combination were independent."""
    return float("inf") if radius is None else float(radius) * float(np.sqrt(len(name.genes)))


def _library(request: Request, chosen: Placed) -> NDArray[np.float64]:
    size = np.asarray(request.library_size, dtype=np.float64)
    if size.ndim > 1 or (size.ndim == 1 and len(size) != request.controls.n_cells) or not (size > 0).all():
        problem = f"library_size has shape {size.shape} and smallest entry {size.min(initial=np.inf)} for {request.controls.n_cells} cells."
        raise DataError(problem, cure="Pass one positive number, or one for each cell of the latent.")
    return np.full(len(chosen.rows), float(size)) if size.ndim == 0 else size[chosen.rows]


def _profile(
    fitted: Fitted,
    names: tuple[PerturbationName, ...],
    decoding: Decoding,
    *,
    z0: NDArray[np.float64],
    means: Sequence[NDArray[np.float64]],
    level: float,
    model: str,
) -> Prediction:
    """Δ = mean of the moved − mean of the same cells where they are."""
    still = decoding.mean_log1p(z0.astype(np.float32))
    delta = np.array([mean - still for mean in means]).reshape(len(names), len(still))
    bands = fitted.bands
    if bands is not None and bands.genes != decoding.genes:
        problem = f"Intervals were measured for {len(bands.genes)} genes of another decoder; this one has {len(decoding.genes)}."
        raise FitError(problem, cure="Call calibrate with this decoder.")
    widths = [None if bands is None else bands.at(level, is_single=name.is_single) for name in names]
    known = [width for width in widths if width is not None]
    radius = np.stack(known) if known and len(known) == len(names) else None
    status, detail = fitted.statuses(names)
    trained = set(fitted.names)
    return Prediction(
        perturbations=names,
        genes=decoding.genes,
        delta=delta,
        status=status,
        detail=detail,
        model=model,
        lower=None if radius is None else delta - radius,
        upper=None if radius is None else delta + radius,
        in_training=tuple(name in trained for name in names),
        split_hash=fitted.frame.split_hash,
    )


def held_out_profiles(fitted: Fitted, request: Request, *, model: str) -> Prediction:
    """Profiles of the training rows, each as if its fold had not been seen; see `ResponseModel.held_out_profiles`."""
    if request.decoder is None:
        problem = "Profiles are asked for without a decoder."
        raise DataError(problem, cure="Pass decoder=, such as the latent model that encoded the cells.")
    chosen = chosen_controls(fitted, request)
    decoding = Decoding.of(request.decoder, request.controls, chosen.rows)
    z0 = request.controls.z[chosen.rows]
    still = decoding.mean_log1p(z0)
    rows = [
        decoding.mean_log1p(z0 + fitted.held_out_displacement(i, chosen.x, chosen.strata)) - still
        for i in range(len(fitted.names))
    ]
    status, detail = fitted.statuses(fitted.names)
    return Prediction(
        perturbations=fitted.names,
        genes=decoding.genes,
        delta=np.stack(rows),
        status=status,
        detail=detail,
        model=model,
        split_hash=fitted.frame.split_hash,
    )


def measure_bands(held: Prediction, effects: Effects) -> Bands:
    """Half-widths from held-out profiles and what was measured; see `ResponseModel.calibrate`.

    Raises
    ------
    DataError
        If a gene or a perturbation was not measured.
    """
    column = {gene: j for j, gene in enumerate(effects.genes)}
    row = {name: i for i, name in enumerate(effects.perturbations)}
    lost = [gene for gene in held.genes if gene not in column]
    absent = [str(name) for name in held.perturbations if name not in row]
    if lost or absent:
        first = repr(lost[0]) if lost else repr(absent[0])
        problem = f"{len(lost)} of {len(held.genes)} genes and {len(absent)} of {len(held.perturbations)} perturbations were not measured, the first is {first}."
        raise DataError(problem, cure="Pass the effects of the screen the model was fitted on.")
    measured = effects.delta[np.ix_([row[n] for n in held.perturbations], [column[g] for g in held.genes])]
    is_single = np.array([name.is_single for name in held.perturbations])
    return Bands.of(held.genes, np.abs(measured - held.delta), is_single)
