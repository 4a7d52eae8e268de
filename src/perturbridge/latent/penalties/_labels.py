"""Labels and strata of the cells of a step, read off the one code that travels with each cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._checks import one_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LABELS", "Design"]

LABELS = ("context", "perturbation", "state")


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """How the training cells lie.

    Parameters
    ----------
    context
        Code of the context of each training cell `(n_cells,)`.
    stratum
        Code of perturbation and state, `perturbation · n_states + state` `(n_cells,)`.
    n_contexts, n_states
        Levels; one state where there is no such label.
    """

    context: NDArray[np.int64]
    stratum: NDArray[np.int64]
    n_contexts: int
    n_states: int

    def label(self, name: str) -> NDArray[np.int64]:
        """Return the codes of a label of the training cells `(n_cells,)`."""
        return self.context if name == "context" else self.read(self.stratum, name)

    def read(self, stratum: NDArray[np.int64], name: str) -> NDArray[np.int64]:
        """Return the perturbation or the state of strata."""
        return stratum // self.n_states if name == "perturbation" else stratum % self.n_states

    def tables(self, label: str, within: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return label and stratum of each code of `stratum`, -1 for codes no training cell has; numbers are dense.

        Parameters
        ----------
        label
            One of `LABELS`; for `"context"`, which the code does not hold, the first table is all -1.
        within
            Labels whose combinations are the strata.
        """
        codes = np.arange(int(self.stratum.max(initial=0)) + 1)
        seen = np.isin(codes, self.stratum)
        strata = np.zeros(len(codes), dtype=np.int64)
        for name in within:
            one_of("label of strata", name, LABELS[1:])
            strata = strata * (len(codes) + 1) + self.read(codes, name)
        labels = np.full(len(codes), -1) if label == "context" else self.read(codes, label)
        return _dense(labels, seen), _dense(strata, seen)


def _dense(values: NDArray[Any], seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    out = np.full(len(values), -1, dtype=np.int64)
    kept = seen & (values >= 0)
    if kept.any():
        out[kept] = np.unique(values[kept], return_inverse=True)[1].reshape(-1)
    return out
