"""Is Δ an effect of perturbations, or of the contexts their cells happen to lie in?"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._rng import as_rng
from perturbridge.errors import DataError
from perturbridge.values import Check

from ._context_share import ContextShare, context_share
from ._plain import plain
from ._shuffles import drawn_cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import ContextTable, Effects, Verdict

__all__ = ["check_delta"]

_QUESTION = "Is Δ an effect of perturbations, or of the contexts of their cells?"
_MIN_PERTURBATIONS = 10
_MAX_PERTURBATIONS = 600
_MAX_LISTED = 200


def check_delta(
    effects: Effects,
    *,
    delta: ArrayLike | None = None,
    left_out: Mapping[str, int] | None = None,
    tolerance: float = 0.1,
    min_controls: int = 10,
    n_permutations: int = 299,
    seed: int | np.random.Generator = 0,
) -> Check:
    """Share of the squared differences between perturbations that follows their context mixes, adjusted to mean 0 without relation.

    `figures["raw_share"]` is the same for Δ against all controls pooled, `figures["matched_share"]` for Δ against the controls of
    the same contexts, which `Effects` holds. Each perturbation is listed whose cells had no controls in their context, whose
    matched controls are few, or which lies in one context only while controls of others exist.

    Parameters
    ----------
    effects
        Δ with its table of contexts; without the table the verdict is `info`.
    delta
        Δ to be judged `(n_perturbations, n_genes)`, such as one from elsewhere; default that of `effects`.
    left_out
        Cells that no control shares a context with, by perturbation; also perturbations that are lost for this.
    tolerance
        Tolerated share.
    min_controls
        A perturbation whose context-matched control mean rests on fewer effective cells, 1 / Σ_c π_c² / n_c, is listed.
    n_permutations
        Deals of context mixes among perturbations.
    seed
        Draws folds and deals, and perturbations where there are more than 600.

    Raises
    ------
    DataError
        If `delta` has another shape.
    """
    judged = np.asarray(effects.delta if delta is None else delta, dtype=np.float64)
    if judged.shape != effects.delta.shape or not np.isfinite(judged).all():
        problem = f"Δ has shape {judged.shape} with {int((~np.isfinite(judged)).sum())} entries that are not finite, the effects {effects.delta.shape}."
        raise DataError(problem, cure="Give one finite row per perturbation of the effects.")
    lost = {str(name): int(n) for name, n in (left_out or {}).items() if n > 0}
    table = effects.contexts
    if table is None or len(table.names) < 2:
        return _nothing_to_ask(table, lost)
    rng = as_rng(seed)
    rows = drawn_cells(np.arange(len(judged)), _MAX_PERTURBATIONS, rng)
    listed = _listed(effects, table, lost, min_controls=min_controls)
    figures: dict[str, Any] = {"perturbations": listed[:_MAX_LISTED], "n_listed": len(listed), "left_out": lost}
    if len(rows) < _MIN_PERTURBATIONS:
        evidence = f"{len(rows)} perturbations are too few to relate Δ to contexts ({_MIN_PERTURBATIONS} are needed)."
        return _answer("underpowered", evidence, figures, listed=listed, share=None, tolerance=tolerance)
    mixes = table.weights[rows]
    raw = effects.delta + effects.matched_control - effects.control_mean
    share = context_share(judged[rows], mixes, n_permutations=n_permutations, rng=rng)
    others = {
        "raw_share": context_share(raw[rows], mixes, n_permutations=1, rng=rng).ratio.estimate,
        "matched_share": context_share(effects.delta[rows], mixes, n_permutations=1, rng=rng).ratio.estimate,
    }
    figures |= {key: plain(value) for key, value in others.items()} | {
        "n_directions": share.n_directions,
        "covered": share.covered,
        "n_perturbations": len(rows),
        "interval": "95 %, jackknife over perturbations",
    }
    nested = _one_each(mixes)
    verdict: Verdict = "not_identifiable" if nested else share.ratio.verdict(tolerance)
    if verdict == "pass" and listed:
        verdict = "warn"
    evidence = _evidence(share, figures, nested=nested, listed=listed)
    return _answer(verdict, evidence, figures, listed=listed, share=share, tolerance=tolerance)


def _nothing_to_ask(table: ContextTable | None, lost: dict[str, int]) -> Check:
    why = (
        "Only profiles are known, not the contexts behind them: whether Δ is confounded cannot be checked."
        if table is None
        else "There is one context: nothing can be confounded with it."
    )
    return Check(
        name="delta", question=_QUESTION, verdict="info", evidence=why, gates=False, figures={"left_out": lost}
    )


def _one_each(mixes: NDArray[np.float64]) -> bool:
    """Whether most perturbations fill a context that they share with no other."""
    alone = (mixes > 0).sum(axis=0) == 1
    return bool((mixes[:, alone].sum(axis=1) > 0.5).mean() > 0.5)


def _listed(effects: Effects, table: ContextTable, lost: dict[str, int], *, min_controls: int) -> list[dict[str, Any]]:
    """Perturbations to look at, each with its figures, verdict and cure."""
    weights = table.weights
    bare = table.n_control == 0
    effective = 1.0 / ((weights**2) @ (1.0 / np.maximum(table.n_control, 1e-9)))
    mix = (weights - table.n_control / table.n_control.sum()) @ table.control_mean
    moved = np.linalg.norm(mix, axis=1) / np.maximum(np.linalg.norm(effects.delta + mix, axis=1), 1e-300)
    out = []
    names = [str(name) for name in effects.perturbations]
    for i, name in enumerate(names):
        outside = lost.get(name, 0) + int(table.n_perturbed[i, bare].sum())
        verdict, cure = _of_one(outside, int(effects.n_cells[i]), float(effective[i]), min_controls=min_controls)
        if verdict == "pass":
            continue
        out.append(
            {
                "perturbation": name,
                "n_cells": int(effects.n_cells[i]),
                "n_contexts": int((weights[i] > 0).sum()),
                "largest_share": float(weights[i].max()),
                "without_controls": outside,
                "effective_controls": float(effective[i]),
                "mix_over_raw": float(moved[i]),
                "verdict": verdict,
                "cure": cure,
            }
        )
    gone = [name for name in lost if name not in set(names)]
    return out + [
        {
            "perturbation": name,
            "n_cells": 0,
            "n_contexts": 0,
            "largest_share": 0.0,
            "without_controls": lost[name],
            "effective_controls": 0.0,
            "mix_over_raw": None,
            "verdict": "not_identifiable",
            "cure": "Measure controls in its contexts; without them its effect is that of the context.",
        }
        for name in gone
    ]


def _of_one(outside: int, inside: int, effective: float, *, min_controls: int) -> tuple[Verdict, str]:
    if outside > inside:
        return (
            "not_identifiable",
            "Most of its cells have no controls in their context: leave it out, or measure controls there.",
        )
    if effective < min_controls:
        return "warn", f"Its controls amount to {effective:.1f} cells: pool contexts, or measure more controls."
    if outside > 0.2 * (inside + outside):
        return "warn", "A fifth or more of its cells have no controls in their context and do not count."
    return "pass", ""


def _answer(
    verdict: Verdict,
    evidence: str,
    figures: dict[str, Any],
    *,
    listed: list[dict[str, Any]],
    share: ContextShare | None,
    tolerance: float,
) -> Check:
    low, high = (nan, nan) if share is None else share.ratio.interval()
    return Check(
        name="delta",
        question=_QUESTION,
        verdict=verdict,
        evidence=evidence,
        cure=_cure(verdict, listed),
        effect=nan if share is None else share.ratio.estimate,
        effect_name="Δ that follows contexts",
        low=low,
        high=high,
        p=nan if share is None else share.p,
        p_attainable=nan if share is None else share.p_attainable,
        threshold=tolerance,
        figures=figures,
    )


def _evidence(share: ContextShare, figures: dict[str, Any], *, nested: bool, listed: list[dict[str, Any]]) -> str:
    parts = []
    if nested:
        parts.append("Most perturbations have contexts of their own, so that one cannot be told from the other.")
    if np.isfinite(share.ratio.estimate):
        raw = figures["raw_share"]
        beside = "" if raw is None else f"; of Δ against all controls pooled {100 * raw:.0f} %"
        parts.append(
            f"Context mixes explain {100 * share.ratio.estimate:.0f} % of the squared differences between "
            f"{figures['n_perturbations']:,} perturbations beyond chance{beside}."
        )
    else:
        parts.append("All perturbations have the same Δ.")
    if listed:
        first = listed[0]
        parts.append(
            f"{len(listed)} perturbations need a look, the first is {first['perturbation']!r} ({first['without_controls']} cells without "
            f"controls, {first['effective_controls']:.1f} effective controls)."
        )
    return " ".join(parts)


def _cure(verdict: Verdict, listed: list[dict[str, Any]]) -> str:
    if verdict == "fail":
        return "Take Δ against the controls of the same contexts (pseudobulk does), and compare perturbations of the same contexts."
    if verdict == "not_identifiable":
        return "Spread each perturbation over contexts, or compare perturbations inside one context only."
    if listed:
        return f"Look at {listed[0]['perturbation']!r} first. {listed[0]['cure']}"
    return "" if verdict == "pass" else "More perturbations would settle it."
