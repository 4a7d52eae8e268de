"""The built-in screen: simulated counts whose effects follow a shipped embedding, so that the truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perturbridge.embeddings import open_embedding
from perturbridge.screens import simulate, write_screen

if TYPE_CHECKING:
    from pathlib import Path

    from perturbridge.screens.simulate import SimulatedScreen

__all__ = ["write_demo_screen"]

DEMO_EMBEDDING = "go_words"


def write_demo_screen(path: str | Path, *, seed: int = 0) -> SimulatedScreen:
    """Simulate a screen on the shipped embedding and write it as h5ad; returns it with its planted truth.

    Parameters
    ----------
    path
        Where to write.
    seed
        Draws genes, effects and counts.
    """
    simulated = simulate.screen(
        open_embedding(DEMO_EMBEDDING),
        n_perturbations=120,
        n_pairs=30,
        n_genes=400,
        cells_per_perturbation=60,
        n_controls=1500,
        seed=seed,
    )
    write_screen(simulated, path)
    return simulated
