"""Is Δ an effect of perturbations, or of the contexts their cells happen to lie in?"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._rng import as_rng
from perturbridge.errors import DataError
from perturbridge.values import Check

from ._context_share import ContextShare, context_share, share_of_parts
from ._plain import plain
from ._shuffles import drawn_cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import ContextTable, Effects, Verdict

    from ._ratio import Ratio

__all__ = ["check_delta"]

_QUESTION = "Is Δ an effect of perturbations, or of the contexts of their cells?"
_MIN_PERTURBATIONS = 10
_MAX_PERTURBATIONS = 600
_MAX_LISTED = 200
_ALARM = 0.01


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
    """Σ_p ‖B_p − B̄‖² / Σ_p ‖Δ_p − Δ̄‖²: share of the squared differences between perturbations that is a difference of contexts.

    B_p is what Δ_p differs from Δ against the controls of the same contexts, freed of the sampling of these controls; for that Δ
    itself, which `Effects` holds, it is this sampling: Σ_c (π_pc − π̄_c)² s_c / n_c. `figures["raw_share"]` is the share for Δ
    against all controls pooled. An alarm looks for what controls do not show: the share of Δ that a regression on the context mixes
    explains beyond chance (`figures["follows"]`, `p`). It fails where its lower bound is above `tolerance`, and warns where
    p ≤ 0.01. Each perturbation is listed whose cells had no controls in their context, or whose matched controls are few.

    Parameters
    ----------
    effects
        Δ with its table of contexts; without the table the verdict is `info`.
    delta
        Δ to be judged `(n_perturbations, n_genes)`, such as one from elsewhere; default that of `effects`.
    left_out
        Cells that no control shares a context with, by perturbation; also perturbations that are lost for this.
    tolerance
        Tolerated share, of both.
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
    noise = _control_noise(table, mixes)
    matched = effects.delta[rows]
    shares = {
        "matched": share_of_parts(noise, _squares(matched), rng=rng),
        "raw": share_of_parts(_squares(raw[rows] - matched) - noise, _squares(raw[rows]), rng=rng),
    }
    own = shares["matched"]
    if delta is not None:
        own = share_of_parts(_squares(judged[rows] - matched) - noise, _squares(judged[rows]), rng=rng)
    follows = context_share(judged[rows], mixes, n_permutations=n_permutations, rng=rng)
    figures |= _as_figures(shares, follows) | {"n_perturbations": len(rows)}
    verdict = _verdict(own, follows, tolerance, nested=_one_each(mixes), n_listed=len(listed))
    evidence = _evidence(own, follows, figures, verdict=verdict, listed=listed)
    return _answer(verdict, evidence, figures, listed=listed, share=(own, follows), tolerance=tolerance)


def _squares(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """‖x_p − x̄‖² of each row."""
    return np.asarray(((rows - rows.mean(axis=0)) ** 2).sum(axis=1))


def _control_noise(table: ContextTable, mixes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ_c (π_pc − π̄_c)² Σ_g s_cg / n_c, what the sampling of controls adds to the square of each difference `(n_perturbations,)`."""
    per_context = table.control_variance.sum(axis=1) / np.maximum(table.n_control, 1)
    return np.asarray(((mixes - mixes.mean(axis=0)) ** 2) @ per_context)


def _as_figures(shares: dict[str, Ratio], follows: ContextShare) -> dict[str, Any]:
    low, high = follows.ratio.interval()
    return {f"{name}_share": plain(share.estimate) for name, share in shares.items()} | {
        "follows": plain(follows.ratio.estimate),
        "follows_low": low,
        "follows_high": high,
        "n_directions": follows.n_directions,
        "covered": follows.covered,
        "interval": "95 %, jackknife over perturbations",
        "p_of": "Δ does not follow the context mixes: mixes dealt anew among perturbations",
    }


def _verdict(own: Ratio, follows: ContextShare, tolerance: float, *, nested: bool, n_listed: int) -> Verdict:
    if nested:
        return "not_identifiable"
    verdict = own.verdict(tolerance)
    if verdict == "fail" or follows.ratio.verdict(tolerance) == "fail":
        return "fail"
    if verdict == "pass" and (n_listed or follows.p <= _ALARM):
        return "warn"
    return verdict


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
    share: tuple[Ratio, ContextShare] | None,
    tolerance: float,
) -> Check:
    low, high = (nan, nan) if share is None else share[0].interval()
    return Check(
        name="delta",
        question=_QUESTION,
        verdict=verdict,
        evidence=evidence,
        cure=_cure(verdict, listed),
        effect=nan if share is None else share[0].estimate,
        effect_name="share of Δ that is context",
        low=low,
        high=high,
        p=nan if share is None else share[1].p,
        p_attainable=nan if share is None else share[1].p_attainable,
        threshold=tolerance,
        figures=figures,
    )


def _evidence(
    own: Ratio, follows: ContextShare, figures: dict[str, Any], *, verdict: Verdict, listed: list[dict[str, Any]]
) -> str:
    parts = []
    if verdict == "not_identifiable":
        parts.append("Most perturbations have contexts of their own, so that one cannot be told from the other.")
    if np.isfinite(own.estimate):
        raw = figures["raw_share"]
        beside = "" if raw is None else f" ({100 * raw:.0f} % of Δ against all controls pooled)"
        parts.append(
            f"Of the squared differences between {figures['n_perturbations']:,} perturbations {100 * own.estimate:.1f} % are "
            f"differences of contexts{beside}."
        )
    else:
        parts.append("All perturbations have the same Δ.")
    if figures["follows"] is not None and follows.p <= _ALARM:
        parts.append(
            f"Context mixes explain {100 * figures['follows']:.0f} % of Δ beyond chance (p = {follows.p:.3g})."
        )
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
    if verdict == "warn":
        return "Compare perturbations inside one context: do those of one library or batch share an effect?"
    return "" if verdict == "pass" else "More perturbations, or more controls per context, would settle it."
