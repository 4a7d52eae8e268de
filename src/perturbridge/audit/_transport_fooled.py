"""Would transport take a difference of contexts for an effect?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._rng import spawn
from perturbridge.values import VERDICTS, Check

from ._codes import relabelled
from ._displacement import Cells, Displacement, displacement_leak
from ._noise_to_signal import NoiseToSignal, noise_to_signal
from ._pairing import Pairing, assortativity
from ._plain import plain, share
from ._shuffles import drawn_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Verdict

    from ._ratio import Ratio
    from ._subject import Subject

__all__ = ["check_transport"]

_MIN_CONTROLS = 3
_MIN_PERTURBED = 3
_MAX_CONTROLS = 3_000
_MAX_PERTURBED = 9_000
_MAX_PLAN = 800
_QUESTION = "Would a plan from controls to perturbed cells take a difference of contexts for an effect?"


def check_transport(
    subject: Subject,
    *,
    displacement_tolerance: float = 0.25,
    noise_tolerance: float = 1.0,
    pairing_tolerance: float = 0.1,
    n_permutations: int = 999,
    seed: int | np.random.Generator = 0,
) -> Check:
    """√(Σ‖L_p‖² / Σ‖D_p‖²): the share of the mean displacement D_p of a plan that is only the difference of context mixes L_p.

    Four questions in one check, all in the coordinates of the latent as they are:

    - *displacement*: the share above, from 0; a plan with balanced marginals moves by D_p whatever it pairs;
    - *noise to signal*: energy distance of controls between contexts over that of perturbed cells to the controls of their own
      context; 1 where another context looks as different as a perturbation;
    - *pairing*: mass assortativity of an entropic plan, r = (M − E) / (M_max − E), with contexts shuffled on the plan held fixed;
      displacement may be biased where r is 0, since a mean needs no pairing;
    - *placebo*: held-out controls, given the context mix of each perturbation, must not move.

    The first two decide, by equivalence with their tolerance; pairing alone warns. Where perturbations do not move cells by more
    than sampling does, neither share can be told and the verdict is `underpowered`.

    Parameters
    ----------
    subject
        Latent and labels; without condition and controls the verdict is `info`.
    displacement_tolerance, noise_tolerance, pairing_tolerance
        Tolerated share, ratio and r.
    n_permutations
        Shuffles of the pairing; the two others use a tenth of them, 99 at least.
    seed
        Draws cells, folds and shuffles.
    """
    blocked = _blocked(subject)
    if blocked is not None:
        return blocked
    rngs = spawn(seed, 4)
    cells, outside = _cells(subject, rngs[0])
    fewer = max(99, n_permutations // 10)
    moved = displacement_leak(cells, n_permutations=fewer, rng=rngs[1])
    noise = noise_to_signal(cells, n_permutations=fewer, rng=rngs[2])
    paired = _paired(cells, n_permutations=n_permutations, rng=rngs[3])
    by_displacement = moved.leak.verdict(displacement_tolerance**2)
    by_noise: Verdict = "underpowered" if noise is None else noise.ratio.verdict(noise_tolerance)
    warns = paired.low > pairing_tolerance and paired.p <= 0.05
    by_pairing: Verdict = "warn" if warns else "pass"
    given: tuple[Verdict, ...] = (by_displacement, by_noise, by_pairing)
    verdict = max(given, key=VERDICTS.index)
    is_noise = noise is not None and VERDICTS.index(by_noise) > VERDICTS.index(by_displacement)
    ratio = noise.ratio if is_noise and noise is not None else moved.leak
    low, high = ratio.interval()
    effect = ratio.estimate
    if not is_noise:
        low, high, effect = np.sqrt(low), np.sqrt(high), np.sqrt(effect)
    figures = _figures(subject, cells, moved, noise=noise, paired=paired) | {
        "verdict_displacement": by_displacement,
        "verdict_noise": by_noise,
        "pairing_warns": bool(warns),
        "outside": outside,
    }
    return Check(
        name="transport",
        question=_QUESTION,
        verdict=verdict,
        evidence=_evidence(figures, subject),
        cure=_cure(verdict, by_displacement, by_noise)
        + _more(ratio, verdict, noise_tolerance if is_noise else displacement_tolerance**2),
        effect=float(effect),
        effect_name="controls across contexts over effect" if is_noise else "displacement along context",
        low=float(low),
        high=float(high),
        p=noise.p if is_noise and noise is not None else moved.p,
        p_attainable=1 / (1 + fewer),
        threshold=noise_tolerance if is_noise else displacement_tolerance,
        figures=figures,
    )


def _blocked(subject: Subject) -> Check | None:
    """Return the answer where the design has none to give."""
    n_controls = np.bincount(subject.context.codes[subject.control], minlength=subject.n_contexts)
    usable = n_controls >= _MIN_CONTROLS
    perturbed = ~subject.control
    verdict: Verdict = "info"
    if subject.condition is None or not subject.control.any() or not perturbed.any():
        evidence = "No perturbed cells beside controls are known: what transport would do cannot be tried."
        cure = "Pass condition= with its control label."
    elif usable.sum() < 2 or usable[subject.context.codes[perturbed]].mean() < 0.5:
        inside = int(usable[subject.context.codes[perturbed]].sum())
        evidence = (
            f"{int(usable.sum())} of {subject.n_contexts} contexts hold {_MIN_CONTROLS} controls or more; {inside:,} of "
            f"{int(perturbed.sum()):,} perturbed cells lie in them. Context and perturbation cannot be told apart."
        )
        cure = "Pair cells within contexts that hold controls, and leave out the others."
        verdict = "not_identifiable"
    else:
        return None
    return Check(
        name="transport",
        question=_QUESTION,
        verdict=verdict,
        evidence=evidence,
        cure=cure,
        gates=verdict != "info",
        figures={"n_controls": n_controls.tolist()[:100]},
    )


def _cells(subject: Subject, rng: np.random.Generator) -> tuple[Cells, int]:
    """Draw the cells of contexts with controls, and count the perturbed cells outside them or of perturbations with too few."""
    names = subject.condition
    condition = np.zeros(subject.n_cells, dtype=np.int64) if names is None else names.codes.astype(np.int64)
    context = subject.context.codes.astype(np.int64)
    usable = np.bincount(context[subject.control], minlength=subject.n_contexts) >= _MIN_CONTROLS
    inside = usable[context]
    controls = _capped(np.flatnonzero(subject.control & inside), context, n=_MAX_CONTROLS, rng=rng)
    perturbed = np.flatnonzero(~subject.control & inside)
    counts = np.bincount(condition[perturbed])
    perturbed = perturbed[counts[condition[perturbed]] >= _MIN_PERTURBED]
    outside = int((~subject.control).sum()) - len(perturbed)
    perturbed = _capped(perturbed, condition, n=_MAX_PERTURBED, rng=rng)
    z = subject.latent.z
    centre = z[controls].astype(np.float64).mean(axis=0)
    known = np.flatnonzero(usable)
    return Cells(
        control=z[controls] - centre,
        perturbed=z[perturbed] - centre,
        control_context=np.searchsorted(known, context[controls]),
        perturbed_context=np.searchsorted(known, context[perturbed]),
        perturbation=relabelled(condition[perturbed]),
        control_strata=relabelled(subject.strata[controls]),
        perturbed_strata=relabelled(subject.strata[perturbed]),
    ), outside


def _capped(
    cells: NDArray[np.int64], groups: NDArray[np.int64], *, n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw about n of the cells, the same share of every group, three of each at least."""
    if len(cells) <= n:
        return cells
    order = cells[np.lexsort((rng.random(len(cells)), groups[cells]))]
    counts = np.bincount(groups[order])
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    quota = np.maximum(np.ceil(counts * n / len(cells)), _MIN_PERTURBED)
    return np.sort(order[rank < quota[groups[order]]])


def _paired(cells: Cells, *, n_permutations: int, rng: np.random.Generator) -> Pairing:
    left = drawn_cells(np.arange(len(cells.control)), _MAX_PLAN, rng)
    right = drawn_cells(np.arange(len(cells.perturbed)), _MAX_PLAN, rng)
    return assortativity(
        cells.control[left],
        cells.perturbed[right],
        contexts=(cells.control_context[left], cells.perturbed_context[right]),
        strata=cells.perturbed_strata[right],
        n_permutations=n_permutations,
        rng=rng,
    )


def _figures(
    subject: Subject, cells: Cells, moved: Displacement, *, noise: NoiseToSignal | None, paired: Pairing
) -> dict[str, Any]:
    usable = np.flatnonzero(
        np.bincount(subject.context.codes[subject.control], minlength=subject.n_contexts) >= _MIN_CONTROLS
    )
    names = [subject.context.categories[i] for i in usable]
    low, high = (float(np.sqrt(bound)) for bound in moved.leak.interval())
    spots = _plane(moved.control_means, np.bincount(cells.control_context))
    out: dict[str, Any] = {
        "displacement": {
            "share": plain(np.sqrt(moved.leak.estimate)),
            "low": low,
            "high": high,
            "p": moved.p,
            "placebo": plain(np.sqrt(np.maximum(moved.placebo, 0.0))),
        },
        "pairing": {key: plain(getattr(paired, key)) for key in ("r", "low", "high", "p", "same", "expected")}
        | {"converged": paired.plan.converged, "n_iterations": paired.plan.n_iterations},
        "noise": None,
        "interval": "95 %, jackknife over 20 folds of cells",
        "n_controls": len(cells.control),
        "n_perturbed": len(cells.perturbed),
        "control_shift": {
            "contexts": names,
            "x": spots[:, 0].tolist(),
            "y": spots[:, 1].tolist(),
            "n": np.bincount(cells.control_context).tolist(),
            "typical_effect": moved.typical,
        },
    }
    if noise is not None:
        low, high = noise.ratio.interval()
        out["noise"] = {
            "ratio": plain(noise.ratio.estimate),
            "low": low,
            "high": high,
            "p": noise.p,
            "contexts": [names[i] for i in noise.contexts],
            "between_controls": plain(noise.between),
            "n_cells": noise.n_cells,
        }
    return out


def _plane(means: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Coordinates of the control means in the plane that holds most of their spread `(n_contexts, 2)`."""
    centred = means - (sizes / sizes.sum()) @ means
    _, _, axes = np.linalg.svd(centred * np.sqrt(sizes / sizes.sum())[:, None], full_matrices=False)
    axes = axes[:2] * np.where(axes[:2].sum(axis=1) < 0, -1.0, 1.0)[:, None]
    plane = np.zeros((len(means), 2))
    plane[:, : len(axes)] = centred @ axes.T
    return plane


def _evidence(figures: dict[str, Any], subject: Subject) -> str:
    moved, noise, paired = figures["displacement"], figures["noise"], figures["pairing"]
    parts = []
    if moved["share"] is not None:
        placebo = "" if moved["placebo"] is None else f"; held-out controls with the same mix {moved['placebo']:.2f}"
        parts.append(
            f"Context mixes alone displace by {moved['share']:.2f} of what perturbed cells are displaced{placebo}."
        )
    if noise is not None and noise["ratio"] is not None:
        parts.append(f"Controls of two contexts differ {noise['ratio']:.2f} times as much as perturbed from controls.")
    if moved["share"] is None or figures["verdict_displacement"] == "underpowered":
        parts.append("Perturbed cells move hardly more than sampling does.")
    if not paired["converged"]:
        parts.append("The entropic plan did not converge.")
    elif paired["r"] is not None:
        parts.append(f"The plan pairs by context with r = {paired['r']:.2f} (p = {paired['p']:.3g}).")
    perturbed = int((~subject.control).sum())
    if figures["outside"]:
        parts.append(
            f"{share(figures['outside'], perturbed)} of the perturbed cells were left out: fewer than {_MIN_CONTROLS} controls in "
            f"their context, or fewer than {_MIN_PERTURBED} cells of their perturbation."
        )
    if figures["n_controls"] + figures["n_perturbed"] < subject.n_cells - figures["outside"]:
        parts.append(f"From {figures['n_controls']:,} controls and {figures['n_perturbed']:,} perturbed cells.")
    return " ".join(parts)


def _more(ratio: Ratio, verdict: Verdict, tolerance: float) -> str:
    factor = ratio.more_cells(tolerance)
    if verdict not in ("warn", "underpowered") or not np.isfinite(factor):
        return ""
    return f" About {factor:.0f} times as many cells would settle it if the figure stays." if factor < 100 else ""


def _cure(verdict: Verdict, by_displacement: Verdict, by_noise: Verdict) -> str:
    if verdict == "pass":
        return ""
    if by_displacement in ("fail", "warn") and VERDICTS.index(by_displacement) >= VERDICTS.index(by_noise):
        return "Pair cells within their context, or weight the controls to the context mix of each perturbation."
    if by_noise in ("fail", "warn"):
        return "Centre each context on its own controls (perturbridge audit --repair), and pair cells within their context."
    if verdict == "underpowered":
        return "Pair cells within their context: these perturbations are too weak or too few cells to tell."
    return "Pair cells within their context."
