"""Rungs of the repair ladder that train an encoder anew: the latent room's models, handed to the audit as steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import Labels, Latent

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from perturbridge.audit import RepairCells, RepairStep
    from perturbridge.latent import Separation
    from perturbridge.values import Screen

__all__ = ["latent_steps", "likelihood_of"]

N_LATENT, N_CONTEXT_DIMS = 16, 4


def latent_steps(screen: Screen) -> tuple[RepairStep, ...]:
    """Return the steps that follow the closed forms: a decoder that is told the context, z divided, an adversary, MMD.

    Each fits on the cells the ladder sets aside for repairs, within condition and state, and encodes all cells; the decoder is told the
    context in every one of them, so that z need not hold it.

    Parameters
    ----------
    screen
        The counts the latent was made of, whose rows `Latent.cells` names.
    """
    # Audits alone need the audit room, whose libraries take their time to load.
    from perturbridge.audit import RepairStep

    def step(
        name: str, title: str, separations: Callable[[], tuple[Separation, ...]], *, split: bool = False
    ) -> RepairStep:
        def apply(latent: Latent, cells: RepairCells) -> Latent:
            return _encoded(screen, latent, cells, name=name, separations=separations(), split=split)

        return RepairStep(name=name, title=title, apply=apply)

    return (
        step("conditional_vae", "a VAE whose decoder is told the context", tuple),
        step("split_subspaces", "z divided: the context has dimensions of its own", _divided, split=True),
        step("adversary", "an adversary reads z and is deceived", lambda: (_separation("adversary", 3.0),)),
        step("mmd", "distributions of z made alike within strata", lambda: (_separation("mmd", 20.0),)),
    )


def _separation(kind: str, strength: float, *, block: str = "bio") -> Separation:
    from perturbridge.latent import Separation

    # Strata travel as states: they are condition and state in one code.
    return Separation(kind=kind, strength=strength, block=block, within=("state",))  # type: ignore[arg-type]


def _divided() -> tuple[Separation, ...]:
    return (
        _separation("classifier", 1.0, block="context"),
        _separation("adversary", 1.0),
        _separation("cross_covariance", 1.0),
    )


def likelihood_of(screen: Screen) -> str:
    """Negative binomial of counts; logarithms have lost them and get a Gaussian."""
    return "nb" if screen.normalization.kind == "counts" else "gaussian"


def _encoded(
    screen: Screen, latent: Latent, cells: RepairCells, *, name: str, separations: tuple[Separation, ...], split: bool
) -> Latent:
    from perturbridge.latent import Architecture, LatentModel

    labelled = replace(
        screen,
        context=_labels("context", cells.context, latent.cells, n_cells=screen.n_cells),
        state=_labels("strata", cells.strata, latent.cells, n_cells=screen.n_cells),
        sample=None,
    )
    architecture = Architecture(
        n_latent=N_LATENT,
        n_latent_context=N_CONTEXT_DIMS if split else 0,
        likelihood=likelihood_of(screen),  # type: ignore[arg-type]
    )
    model = LatentModel(architecture=architecture, penalties=separations, name=f"{latent.name}, {name}")
    encoded = model.fit(labelled, rows=latent.cells[cells.fit]).encode(labelled, unseen="encode")
    place = np.full(screen.n_cells, -1, dtype=np.int64)
    place[encoded.cells] = np.arange(encoded.n_cells)
    rows = place[latent.cells]
    return Latent(
        z=encoded.z[rows],
        cells=latent.cells,
        name=encoded.name,
        made_by=encoded.made_by,
        split_hash=latent.split_hash,
        trained=cells.fit,
        steps=encoded.steps,
        findings=encoded.findings,
    )


def _labels(column: str, codes: NDArray[np.int64], rows: NDArray[np.int64], *, n_cells: int) -> Labels:
    spread = np.full(n_cells, -1, dtype=np.int32)
    spread[rows] = codes
    return Labels(column, tuple(f"{i:06d}" for i in range(int(codes.max()) + 1)), spread)
