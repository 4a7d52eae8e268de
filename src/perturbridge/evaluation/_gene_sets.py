"""Metrics over genes picked by what controls or tests say about them, and the picking.

`variable` and `expressed` come from control cells alone; `degs` are the genes of a perturbation's own real contrast, for scoring only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import FrozenMapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from perturbridge.values import Effects

    from ._metric import Aligned

    Compute = Callable[[Aligned], NDArray[np.float64]]

__all__ = ["SET_SIZE", "control_gene_sets", "on_degs", "on_set"]

SET_SIZE = 1000


def control_gene_sets(effects: Effects) -> Mapping[str, NDArray[np.bool_]]:
    """Return the 1,000 genes of highest control mean (`expressed`) and of highest control variance over mean (`variable`).

    Fewer where fewer genes are expressed at all; in the order of `effects.genes`. `variable` is missing where variances are unknown,
    both where the effects carry no control.
    """
    sets = {}
    if effects.control_mean.any():
        sets["expressed"] = _largest(effects.control_mean)
    table = effects.contexts
    if table is not None:
        n = table.n_control / table.n_control.sum()
        mean = n @ table.control_mean
        spread = np.zeros(mean.shape)
        np.divide(n @ table.control_variance, mean, out=spread, where=mean > 0)
        sets["variable"] = _largest(spread)
    return FrozenMapping(sets)


def _largest(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    out = np.zeros(values.shape, dtype=np.bool_)
    out[np.argsort(-values, kind="stable")[:SET_SIZE]] = True
    return out & (values > 0)


def on_set(compute: Compute, *, name: str) -> Compute:
    """Return the same metric of Δ alone over the genes of a set; NaN where the set is unknown."""

    def over_set(pair: Aligned) -> NDArray[np.float64]:
        if name not in pair.gene_sets:
            return np.full(len(pair.true), np.nan)
        return compute(pair.within(pair.gene_sets[name]))

    return over_set


def on_degs(compute: Compute) -> Compute:
    """Return the same metric over each row's significant genes; NaN where they are unknown or fewer than 2."""

    def over_degs(pair: Aligned) -> NDArray[np.float64]:
        if pair.de_real is None:
            return np.full(len(pair.true), np.nan)
        chosen = pair.over(pair.de_real.significant)
        return np.where(chosen.counted.sum(axis=1) > 1, compute(chosen), np.nan)

    return over_degs
