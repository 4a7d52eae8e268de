"""What changes over a run, as functions of the share that is done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perturbridge.latent._training import Training

__all__ = ["kl_weight", "learning_rate"]

RISING_SHARE = 0.3
FIRST_SHARE = 1 / 25
LAST_SHARE = 1e-4
REFERENCE_BATCH = 128


def learning_rate(step: int, n_steps: int, *, training: Training) -> float:
    """One cycle (Smith 2018): from 1/25 of the highest rate up over 30 % of the steps, down to 1/10,000, along cosines.

    The highest rate is `learning_rate · √(batch_size / 128)`.
    """
    highest = training.learning_rate * math.sqrt(training.batch_size / REFERENCE_BATCH)
    if training.schedule == "constant":
        return highest
    share = step / max(n_steps - 1, 1)
    if share < RISING_SHARE:
        return _between(FIRST_SHARE * highest, highest, share / RISING_SHARE)
    return _between(highest, LAST_SHARE * highest, (share - RISING_SHARE) / (1 - RISING_SHARE))


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def kl_weight(step: int, n_steps: int, *, training: Training) -> float:
    """β · min(1, (step + 1) / (warmup · n_steps)): a share of the steps the run has, never of epochs it has not."""
    n_rising = training.warmup * n_steps
    return training.beta * (min(1.0, (step + 1) / n_rising) if n_rising > 0 else 1.0)
