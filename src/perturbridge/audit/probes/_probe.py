"""What a probe is, and the ladder of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ._boosting import boosting_scores
from ._linear import linear_scores
from ._logistic import logistic_scores
from ._neighbors import neighbor_scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LADDER", "Probe", "ladder_for"]


class Scores(Protocol):
    """How a probe is called."""

    def __call__(
        self,
        z_train: NDArray[np.float64],
        codes_train: NDArray[np.int64],
        z_test: NDArray[np.float64],
        *,
        n_classes: int,
    ) -> NDArray[np.float64]:
        """Return log-probabilities `(n_test, n_classes)`."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A way to read a class from coordinates, and the facts that the ladder needs.

    Parameters
    ----------
    name
        As it stands in tables.
    title
        For people.
    scores
        `(z_train (n_train, n_dims), codes_train (n_train,), z_test (n_test, n_dims), n_classes=…)` ▸ log-probabilities.
    max_classes
        More classes than this cost too much for what they tell; the probe is then left out, and the report says so.
    max_cells
        Training cells it is given at most.
    """

    name: str
    title: str
    scores: Scores
    max_classes: int
    max_cells: int


LADDER = (
    Probe(name="linear", title="linear (closed form)", scores=linear_scores, max_classes=5_000, max_cells=1_000_000),
    Probe(name="logistic", title="logistic regression", scores=logistic_scores, max_classes=30, max_cells=20_000),
    Probe(name="neighbors", title="30 nearest neighbors", scores=neighbor_scores, max_classes=1_000, max_cells=5_000),
    Probe(name="boosting", title="gradient boosting", scores=boosting_scores, max_classes=16, max_cells=10_000),
)
"""From weakest to strongest. A new probe is one file and one line here."""


def ladder_for(n_classes: int) -> tuple[Probe, ...]:
    """Return the probes that can be afforded for this many classes."""
    return tuple(probe for probe in LADDER if n_classes <= probe.max_classes)
