"""Random numbers: one generator, passed down and spawned, never global."""

from __future__ import annotations

import numpy as np

__all__ = ["as_rng", "spawn"]


def as_rng(seed: int | np.random.Generator) -> np.random.Generator:
    """Return a generator: the one given, or a new one from an integer seed."""
    return seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)


def spawn(seed: int | np.random.Generator, n: int) -> list[np.random.Generator]:
    """Return `n` independent generators, the same ones for the same integer seed."""
    return list(as_rng(seed).spawn(n))
