"""Was the latent made from training cells alone, and are test cells new to it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import betaincinv

from perturbridge._rng import as_rng
from perturbridge.errors import DataError
from perturbridge.values import Check

from ._duplicates import copies_across, near_copies_across

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import FittedStep, Labels, Latent, Verdict

__all__ = ["check_pipeline"]

_QUESTION = "Was everything fitted on training cells alone, and are the test cells new?"
_MAX_TEST = 500
_MAX_TRAIN = 10_000


def check_pipeline(
    latent: Latent,
    *,
    split_hash: str = "",
    guides: Labels | None = None,
    control: NDArray[np.bool_] | None = None,
    seed: int | np.random.Generator = 0,
) -> Check:
    """Share of test cells that have a copy among the training cells; and every fitted step against the rows it may have seen.

    Fails on the first of: a step fitted on all cells, or under another split, or on more cells than there are training cells;
    a guide on both sides of the split; copies of cells across it. Copies are looked for among all cells, near copies among
    drawn ones. Test cells are those that `latent.trained` marks as unseen. A step of unknown provenance cannot be checked and is
    said to be so: the verdict is `info`, unless something else fails.

    Parameters
    ----------
    latent
        With `steps` and `trained`; an array from elsewhere has neither.
    split_hash
        Of the split of the run; empty: that of the latent.
    guides
        Guide of each cell, for splits that hold out perturbations; guides of controls may stand on both sides.
    control
        True for controls `(n_cells,)`.
    seed
        Draws cells for the search of near copies.

    Raises
    ------
    DataError
        If guides or controls do not have one entry per cell.
    """
    _check_lengths(latent, guides=guides, control=control)
    wanted = split_hash or latent.split_hash
    test = None if latent.trained is None else ~latent.trained
    both_sides = test is not None and bool(test.any()) and not bool(test.all())
    held_out = bool(wanted) or (test is not None and bool(test.any()))
    problems = _fitted_on_more(latent, wanted) if held_out else []
    if wanted and latent.split_hash and wanted != latent.split_hash:
        problems.append(
            f"the latent belongs to split {latent.split_hash[:12]}, the run to {wanted[:12]}: its training cells are others"
        )
    figures: dict[str, Any] = {"steps": [[s.name, s.rows, s.split_hash, s.n_cells] for s in latent.steps]}
    shared, high = float("nan"), float("nan")
    if test is not None and both_sides:
        problems += _guides_across(guides, control, test)
        copied = _copies(latent, test, as_rng(seed))
        figures |= copied
        problems += copied["problems"]
        shared, high = copied["share"], copied["high"]
    unknown = _unknown(latent, test)
    verdict: Verdict = "fail" if problems else "info" if unknown or not held_out else "pass"
    figures["problems"] = problems
    return Check(
        name="pipeline",
        question=_QUESTION,
        verdict=verdict,
        evidence=_evidence(latent, problems, unknown=unknown, held_out=held_out, figures=figures),
        cure=_cure(problems),
        effect=shared,
        effect_name="test cells with a copy in training" if shared == shared else "",  # noqa: PLR0124 - NaN alone differs from itself
        low=0.0 if np.isnan(shared) else figures["n_copies"] / max(figures["n_test"], 1),
        high=high,
        threshold=0.0 if both_sides else float("nan"),
        gates=verdict != "info",
        figures=figures,
    )


def _check_lengths(latent: Latent, *, guides: Labels | None, control: NDArray[np.bool_] | None) -> None:
    for name, values in (("guides", None if guides is None else guides.codes), ("control", control)):
        if values is not None and len(values) != latent.n_cells:
            problem = f"{name} has {len(values)} entries for the {latent.n_cells} cells of latent {latent.name!r}."
            raise DataError(problem, cure="Give one entry per cell, in the order of the latent.")


def _fitted_on_more(latent: Latent, wanted: str) -> list[str]:
    """Steps that saw test cells, one clause each."""
    n_train = latent.n_cells if latent.trained is None else int(latent.trained.sum())
    return [clause for step in latent.steps if (clause := _fault(step, wanted, latent, n_train=n_train))]


def _fault(step: FittedStep, wanted: str, latent: Latent, *, n_train: int) -> str:
    if step.rows == "all":
        return f"{step.name} was fitted on all cells, test cells included"
    if step.rows == "train" and step.split_hash and wanted and step.split_hash != wanted:
        return f"{step.name} was fitted under split {step.split_hash[:12]}, not {wanted[:12]}"
    if step.rows == "train" and latent.trained is not None and step.n_cells > n_train:
        return f"{step.name} saw {step.n_cells:,} cells, but only {n_train:,} are training cells"
    return ""


def _guides_across(guides: Labels | None, control: NDArray[np.bool_] | None, test: NDArray[np.bool_]) -> list[str]:
    if guides is None:
        return []
    asked = guides.codes >= 0 if control is None else (guides.codes >= 0) & ~np.asarray(control, dtype=np.bool_)
    both = np.intersect1d(guides.codes[asked & test], guides.codes[asked & ~test])
    if not len(both):
        return []
    return [f"{len(both)} guides stand on both sides of the split, the first is {guides.categories[both[0]]!r}"]


def _copies(latent: Latent, test: NDArray[np.bool_], rng: np.random.Generator) -> dict[str, Any]:
    cells, mates = copies_across(latent.z, test)
    near = near_copies_across(latent.z, test, n_test=_MAX_TEST, n_train=_MAX_TRAIN, rng=rng)
    n_test, n_train = int(test.sum()), int((~test).sum())
    # A training cell that was not drawn cannot be found; the count is scaled up for that.
    seen = near.n_train / n_train
    near_share = min(near.n_found / max(near.n_searched * seen, 1e-12), 1.0)
    whole = near.n_searched == n_test and near.n_train == n_train
    share = min(len(cells) / n_test + near_share, 1.0)
    bound = (
        near_share
        if whole
        else float(betaincinv(near.n_found + 1, max(near.n_searched - near.n_found, 1), 0.975)) / seen
    )
    problems = []
    if len(cells):
        problems.append(
            f"{len(cells):,} of {n_test:,} test cells are copies of training cells, the first are cells {latent.cells[cells[0]]} "
            f"and {latent.cells[mates[0]]}"
        )
    if near.n_found:
        a, b = near.first
        problems.append(
            f"{near.n_found:,} of {near.n_searched:,} test cells lie nearer to a training cell than chance allows, the first are "
            f"cells {latent.cells[a]} and {latent.cells[b]}"
        )
    return {
        "problems": problems,
        "n_copies": len(cells),
        "n_test": n_test,
        "n_train": n_train,
        "share": float(share),
        "high": float(min(len(cells) / n_test + bound, 1.0)),
        "n_near": near.n_found,
        "n_searched": near.n_searched,
        "n_searched_among": near.n_train,
        "intrinsic_dimension": near.n_intrinsic,
        "interval": "copies are counted; near copies 95 %, Clopper-Pearson over the cells drawn",
    }


def _unknown(latent: Latent, test: NDArray[np.bool_] | None) -> str:
    """What cannot be checked, as one sentence; empty where everything can."""
    if not latent.steps:
        return f"How latent {latent.name!r} was made was not written down: what it was fitted on cannot be checked."
    open_ = [step.name for step in latent.steps if step.rows == "unknown"]
    if open_:
        return f"Which cells {', '.join(open_)} saw was not written down and cannot be checked."
    return "" if test is not None else "Which cells are training cells is not known: copies cannot be looked for."


def _evidence(latent: Latent, problems: list[str], *, unknown: str, held_out: bool, figures: dict[str, Any]) -> str:
    if problems:
        text = "; ".join(problems)
        return text[:1].upper() + text[1:] + "." + (f" {unknown}" if unknown else "")
    searched = ""
    if "n_test" in figures:
        searched = (
            f" No copy among {figures['n_test']:,} test and {figures['n_train']:,} training cells; near copies were looked for "
            f"among {figures['n_searched']:,} and {figures['n_searched_among']:,}."
        )
    if unknown:
        return unknown + searched
    if not held_out:
        return (
            "No cell is held out: nothing can leak across a split, and nothing scored on these cells is a prediction."
        )
    names = ", ".join(step.name for step in latent.steps)
    return f"{names} saw training cells alone.{searched}"


def _cure(problems: list[str]) -> str:
    if not problems:
        return ""
    first = problems[0]
    if "cop" in first or "nearer" in first:
        return "Keep one cell of each copy before splitting, and make the latent again."
    if "guides" in first:
        return "Split by guide or by perturbation, and make the latent again."
    return "Fit this step on the training cells of the split, and make the latent again."
