"""Predicted cells beside real ones of the same held-out perturbation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.numerics import energy_distance, group_means
from perturbridge.values import as_names, control_cells
from perturbridge.workers import map_alike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Latent, PerturbationName

    from ._cell_level import CellLevel

__all__ = ["cell_distances", "squared_mmd"]

_MOST_CELLS = 400
_RESAMPLES = 2_000


def cell_distances(
    level: CellLevel, names: Sequence[PerturbationName], *, seed: int, client: object = None
) -> tuple[list[dict[str, Any]], dict[str, dict[str, dict[str, float]]]]:
    """Energy distances and MMD² in the encoder's own coordinates, relative to the controls of each cell's context.

    Cells are drawn here, perturbation after perturbation; `client` has workers that compare them.
    """
    if (
        level.cells is None
        or level.latent is None
        or level.response is None
        or level.decoder is None
        or level.alignment is None
    ):
        return [], {}
    rng = np.random.default_rng((seed, 41))
    latent, centre = level.cells, _centres(level.latent.own)
    predicted = level.response.predict(
        names, controls=level.latent.used, n_cells=_MOST_CELLS, expression="none", seed=seed
    )
    contexts = [""] * predicted.n_cells
    if predicted.context is not None:
        contexts = [predicted.context.categories[code] for code in predicted.context.codes]
    moved = level.decoder.taken_back(predicted.z, contexts) - np.stack([centre[name] for name in contexts])
    base = _relative(level.latent.own, control_cells(level.latent.own.labels["condition"]), centre=centre, rng=rng)
    shift = _mean_shift(level.latent.own, centre)
    pairs = []
    for i, name in enumerate(names):
        real = _relative(latent, _cells_of(latent, name), centre=centre, rng=rng)
        if len(real) >= 5:
            pairs.append((str(name), real, moved[predicted.codes == i]))
    out = map_alike(client, _compared, pairs, shared={"no change": base, "mean shift": base + shift})
    return out, _ratios(out, rng)


def _compared(
    pair: tuple[str, NDArray[np.float64], NDArray[np.float64]], still: dict[str, NDArray[np.float64]]
) -> dict[str, Any]:
    name, real, moved = pair
    clouds = {**still, "predicted": moved}
    return {
        "perturbation": name,
        "n_cells": len(real),
        "energy": {step: energy_distance(cloud, real) for step, cloud in clouds.items()},
        "mmd": {step: squared_mmd(cloud, real) for step, cloud in clouds.items()},
    }


def _centres(own: Latent) -> dict[str, NDArray[np.float64]]:
    """Mean of the training controls of each context."""
    rows = np.flatnonzero(control_cells(own.labels["condition"]))
    if "context" not in own.labels:
        return {"": own.z[rows].astype(np.float64).mean(axis=0)}
    labels = own.labels["context"]
    means, counts = group_means(
        own.z[rows].astype(np.float64), labels.codes[rows].astype(np.int64), n_groups=len(labels.categories)
    )
    return {name: means[k] for k, name in enumerate(labels.categories) if counts[k] > 0}


def _cells_of(latent: Latent, name: PerturbationName) -> NDArray[np.bool_]:
    labels = latent.labels["condition"]
    known = [str(as_names([text])[0]) == str(name) for text in labels.categories]
    return np.array([*known, False])[labels.codes]


def _relative(
    latent: Latent, wanted: NDArray[np.bool_], *, centre: dict[str, NDArray[np.float64]], rng: np.random.Generator
) -> NDArray[np.float64]:
    """At most a few hundred of these cells relative to their context; those of contexts without controls are left out."""
    rows = np.flatnonzero(wanted)
    if "context" in latent.labels:
        labels = latent.labels["context"]
        known = np.array([*(name in centre for name in labels.categories), False])
        rows = rows[known[labels.codes[rows]]]
        offsets = np.stack([centre.get(name, np.zeros(latent.n_dims)) for name in labels.categories])[
            labels.codes[rows]
        ]
    else:
        offsets = np.broadcast_to(centre[""], (len(rows), latent.n_dims))
    drawn = np.sort(rng.permutation(len(rows))[:_MOST_CELLS])
    return np.asarray(latent.z[rows[drawn]] - offsets[drawn])


def _mean_shift(own: Latent, centre: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean over training perturbations of their cells' mean displacement, in the encoder's coordinates."""
    rng = np.random.default_rng(0)
    controls = control_cells(own.labels["condition"])
    base = _relative(own, controls, centre=centre, rng=rng).mean(axis=0)
    labels = own.labels["condition"]
    names = [k for k in np.unique(labels.codes[~controls]) if k >= 0]
    return np.asarray(
        np.mean([_relative(own, labels.codes == k, centre=centre, rng=rng).mean(axis=0) - base for k in names], axis=0)
    )


def squared_mmd(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """E k(x, x') + E k(y, y') − 2 E k(x, y) over pairs of different cells, k the mean of Gaussians of ½, 1 and 2 times the median squared distance of y.

    Unbiased, about 0 for equal distributions (Gretton et al. 2012); the bandwidths are those of the real cells alone, so that they do not
    depend on what is compared.
    """
    from scipy.spatial.distance import cdist, pdist

    own = pdist(y, "sqeuclidean")
    middle = float(np.median(own)) or 1.0

    def kernel(squared: NDArray[np.float64]) -> float:
        return float(np.mean([np.exp(-squared / (scale * middle)).mean() for scale in (0.5, 1.0, 2.0)]))

    return kernel(pdist(x, "sqeuclidean")) + kernel(own) - 2.0 * kernel(cdist(x, y, "sqeuclidean"))


def _ratios(rows: Sequence[dict[str, Any]], rng: np.random.Generator) -> dict[str, dict[str, dict[str, float]]]:
    """Σ over perturbations of each distance over that of no change, with a 95 % bootstrap interval, by distance and step."""
    if len(rows) < 2:
        return {}
    drawn = rng.integers(len(rows), size=(_RESAMPLES, len(rows)))
    out: dict[str, dict[str, dict[str, float]]] = {}
    for distance in ("energy", "mmd"):
        still = np.array([row[distance]["no change"] for row in rows])
        out[distance] = {}
        for step in ("mean shift", "predicted"):
            value = np.array([row[distance][step] for row in rows])
            low, high = np.quantile(value[drawn].sum(axis=1) / still[drawn].sum(axis=1), [0.025, 0.975])
            ratio = float(value.sum() / still.sum())
            out[distance][step] = {"ratio": ratio, "low": float(low), "high": float(high)}
    return out
