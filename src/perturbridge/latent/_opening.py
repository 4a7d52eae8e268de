"""Cells of a screen, checked and opened for a model."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import FitError

from .cells._dataset import Dataset
from .cells._memory import load_rows
from .cells._order import Blocks
from .cells._stream import StreamReader

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from perturbridge.values import Screen

    from ._architecture import Architecture
    from ._training import Training
    from .cells._dataset import Codes
    from .cells._table import GeneMap

__all__ = ["blocks_of", "check_values", "make_dataset", "screen_mark"]


def check_values(screen: Screen, architecture: Architecture) -> None:
    """Check that a count likelihood gets counts.

    Raises
    ------
    FitError
        If it gets log1p values.
    """
    if architecture.likelihood != "gaussian" and screen.normalization.kind != "counts":
        problem = (
            f"Likelihood {architecture.likelihood!r} needs counts; {screen.normalization.place} holds log1p values."
        )
        raise FitError(problem, cure="Read the screen with place='layers/counts' or the like, or use 'gaussian'.")


def make_dataset(
    screen: Screen,
    rows: NDArray[np.int64],
    *,
    codes: Codes,
    genes: GeneMap,
    device: torch.device,
    training: Training | None = None,
) -> Dataset:
    """Cells in memory, or on disk where the training settings say so."""
    blocks = None if training is None else blocks_of(training)
    if blocks is None:
        reader = load_rows(screen.source, rows, genes=genes, device=device)
        return Dataset(reader=reader, codes=codes, device=device)
    stream = StreamReader(screen.source, rows, genes=genes, device=device)
    return Dataset(reader=stream, codes=codes, device=device, blocks=blocks)


def blocks_of(training: Training) -> Blocks | None:
    """How cells are read from disk; None: they are held in memory."""
    if not training.stream:
        return None
    return Blocks(training.block_rows, max(training.shuffle_rows // training.block_rows, 1))


def screen_mark(screen: Screen) -> str:
    """A mark by which rows of the same screen are known again: its shape, genes and perturbations."""
    digest = hashlib.sha256(json.dumps([list(screen.source.shape), list(screen.genes)]).encode())
    digest.update("\n".join(str(name) for name in screen.perturbations).encode())
    digest.update(np.ascontiguousarray(screen.perturbation_codes).data)
    return digest.hexdigest()
