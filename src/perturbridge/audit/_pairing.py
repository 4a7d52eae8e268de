"""Whether a plan pairs cells because of their context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import bca_interval, bootstrap_means

from ._shuffles import shuffled_within
from ._sinkhorn import Plan, entropic_plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Pairing", "assortativity"]


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """Result of `assortativity`.

    Parameters
    ----------
    r, low, high
        Assortativity with its interval; NaN where the contexts leave no room for it or the plan is broken.
    p
        Under contexts shuffled among perturbed cells of one stratum, the plan held fixed.
    same, expected
        Mass between cells of one context, and what shuffling would give.
    plan
        Behind it.
    """

    r: float
    low: float
    high: float
    p: float
    same: float
    expected: float
    plan: Plan


def assortativity(
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    *,
    contexts: tuple[NDArray[np.int64], NDArray[np.int64]],
    strata: NDArray[np.int64],
    n_permutations: int,
    rng: np.random.Generator,
) -> Pairing:
    """(M − E) / (M_max − E), with M the mass between cells of one context under an entropic plan at ε = 0.2 × mean control cost.

    E is the mean of M when contexts are shuffled among the target cells of a stratum, M_max = Σ_c min(a_c, b_c) from the shares
    of the contexts on both sides. The result r is 0 without pairing by context, 1 when contexts pair as far as they can (Newman 2003).

    Parameters
    ----------
    source, target
        `(n_source, n_dims)`, `(n_target, n_dims)`.
    contexts
        Codes of both sides, `0 … n_contexts − 1`.
    strata
        Of the target cells `(n_target,)`.
    n_permutations
        Shuffles; the plan is solved once.
    rng
        Draws shuffles and resamples.
    """
    plan, _ = entropic_plan(source, target)
    of_source, of_target = contexts
    n_contexts, n_target = int(max(of_source.max(), of_target.max())) + 1, len(target)
    # Share of each target cell's mass that comes from each context `(n_contexts, n_target)`.
    received = np.zeros((n_contexts, n_target))
    np.add.at(received, of_source, plan.mass * n_target)
    cells = np.arange(n_target)
    same = received[of_target, cells]
    size = np.bincount(strata)
    mix = np.bincount(strata * n_contexts + of_target, minlength=len(size) * n_contexts).reshape(-1, n_contexts)
    expected = np.einsum("cj,jc->j", received, (mix / np.maximum(size, 1)[:, None])[strata])
    attainable = float(
        np.minimum(np.bincount(of_source, minlength=n_contexts) / len(source), mix.sum(axis=0) / n_target).sum()
    )
    room = attainable - float(expected.mean())
    if not plan.converged or room < 1e-9:
        nan = float("nan")
        return Pairing(
            r=nan, low=nan, high=nan, p=nan, same=float(same.mean()), expected=float(expected.mean()), plan=plan
        )
    pairs = np.stack([same, expected], axis=1)
    r = _r(pairs.mean(axis=0)[None], attainable)
    resamples = _r(bootstrap_means(pairs, n_resamples=300, seed=rng), attainable)
    influence = (same - expected) - r * (attainable - expected)
    low, high = bca_interval(r, resamples=resamples[:, None], influence=influence[:, None], confidence=0.95)
    shuffles = shuffled_within(of_target, strata, n_shuffles=n_permutations, rng=rng)
    drawn = received[shuffles, cells[None, :]].mean(axis=1)
    p = float((1 + (drawn >= same.mean() - 1e-12).sum()) / (1 + n_permutations))
    return Pairing(
        r=float(r[0]),
        low=float(low[0]),
        high=float(high[0]),
        p=p,
        same=float(same.mean()),
        expected=float(expected.mean()),
        plan=plan,
    )


def _r(means: NDArray[np.float64], attainable: float) -> NDArray[np.float64]:
    return np.asarray((means[:, 0] - means[:, 1]) / np.maximum(attainable - means[:, 1], 1e-12))
