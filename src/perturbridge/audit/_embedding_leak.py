"""Does an embedding know the answers? Levels of leakage, and an alarm for one that nobody declared."""

from __future__ import annotations

from datetime import date
from math import nan
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturbridge._checks import one_of
from perturbridge._rng import as_rng
from perturbridge.errors import DataError
from perturbridge.values import Check

from ._plain import plain
from ._response_share import ResponseShare, response_share
from ._shuffles import drawn_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import Effects, EmbeddingCard, PerturbationName, Verdict

__all__ = ["check_embedding"]

_QUESTION = "Does the embedding know the answers?"
_MIN_TRAIN, _MIN_TEST = 12, 6
_MAX_TRAIN, _MAX_TEST = 400, 200
_DEALS = 999


def check_embedding(
    vectors: ArrayLike,
    effects: Effects,
    test: Sequence[PerturbationName],
    *,
    card: EmbeddingCard | None = None,
    declared_level: Literal["", "L1", "L2", "L3"] = "",
    experiment_date: str = "",
    tolerance: float = 0.75,
    seed: int | np.random.Generator = 0,
) -> Check:
    """Response explained by the embedding over response explained by the other half of the same response, on test perturbations.

    L1, made from the responses of the test perturbations: fail. L2, made from another screen of the same genes: to be declared.
    L3, knowledge later than the experiment: warn. The alarm is for an L1 that nobody declared: half of a response, measured on the
    same cells, says more about its other half than prior knowledge of the gene can, unless the embedding was made from it. Fails
    where the lower bound of the ratio is above `tolerance`. On three published screens tables of GO terms and pathways reach 0.0 to
    0.4, principal components of all responses 1.0 to 2.0; with noise of half their spread added, 0.8 to 1.0.

    Parameters
    ----------
    vectors
        One vector per perturbation of `effects` `(n_perturbations, n_dims)`; rows with NaN have none and are left out.
    effects
        Measured Δ of training and test perturbations.
    test
        Test perturbations; all others train.
    card
        Of the embedding; its date is that of the knowledge in it.
    declared_level
        What its maker or user declares; L2 turns the alarm into a warning.
    experiment_date
        Of its first publication, ISO: `2024`, `2024-01` or `2024-01-31`, like that of the card.
    tolerance
        Tolerated ratio.
    seed
        Draws halves, and perturbations where there are more than 400 training or 200 test ones.

    Raises
    ------
    DataError
        If a date cannot be read, the vectors do not match, or a test perturbation was not measured.
    """
    one_of("declared_level", declared_level, ("", "L1", "L2", "L3"))
    known, later = _dates(card, experiment_date)
    table = _table(vectors, effects)
    is_test = np.zeros(len(table), dtype=np.bool_)
    is_test[effects.rows(test)] = True
    rng = as_rng(seed)
    has_vector = np.isfinite(table).all(axis=1)
    train = drawn_cells(np.flatnonzero(has_vector & ~is_test), _MAX_TRAIN, rng)
    held = drawn_cells(np.flatnonzero(has_vector & is_test), _MAX_TEST, rng)
    share, alarm = None, "underpowered"
    if len(train) >= _MIN_TRAIN and len(held) >= _MIN_TEST:
        rows = np.concatenate([train, held])
        sides = np.repeat([False, True], [len(train), len(held)])
        share = response_share(table[rows], effects.delta[rows], sides, n_permutations=_DEALS, rng=rng)
        alarm = share.ratio.verdict(tolerance)
    verdict = _verdict(alarm, declared_level, later=later)
    figures = _figures(share, effects, held) | {
        "alarm": alarm,
        "declared_level": declared_level,
        "knowledge_date": known,
        "experiment_date": experiment_date,
        "n_train": len(train),
        "n_test": len(held),
        "n_without_vector": int((~has_vector).sum()),
    }
    low, high = (nan, nan) if share is None else share.ratio.interval()
    name = "" if card is None else card.name
    return Check(
        name=f"embedding {name}".strip(),
        question=_QUESTION,
        verdict=verdict,
        evidence=_evidence(figures, name, later=later),
        cure=_cure(alarm, declared_level, later=later),
        effect=nan if share is None else share.ratio.estimate,
        effect_name="explained over own half",
        low=low,
        high=high,
        p=nan if share is None else share.p,
        p_attainable=1 / (1 + _DEALS),
        threshold=tolerance,
        gates=verdict != "info",
        figures=figures,
    )


def _table(vectors: ArrayLike, effects: Effects) -> NDArray[np.float64]:
    table = np.asarray(vectors, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(effects.perturbations) or table.shape[1] == 0:
        problem = f"The vectors have shape {table.shape} for {len(effects.perturbations)} perturbations."
        raise DataError(problem, cure="Give one row per perturbation of the effects, NaN where it has no vector.")
    return table


def _dates(card: EmbeddingCard | None, experiment_date: str) -> tuple[str, bool]:
    """Date of the knowledge, and whether it is later than the experiment; the benefit of a coarse date goes to neither."""
    known = "" if card is None else card.date
    if not known or not experiment_date:
        return known, False
    return known, _day(known, last=True) > _day(experiment_date, last=False)


def _day(text: str, *, last: bool) -> date:
    parts = text.strip()[:10].split("-")
    filled = [*parts, *(["12", "28"] if last else ["01", "01"])[len(parts) - 1 :]]
    try:
        return date(*(int(part) for part in filled[:3]))
    except (ValueError, TypeError) as error:
        problem = f"{text!r} is not a date."
        raise DataError(problem, cure="Write it as 2024, 2024-01 or 2024-01-31.") from error


def _verdict(alarm: str, declared: str, *, later: bool) -> Verdict:
    if declared == "L1":
        return "fail"
    if alarm == "fail":
        return "warn" if declared == "L2" else "fail"
    if alarm == "warn" or later or declared == "L3":
        return "warn"
    if declared == "L2":
        return "info"
    return "pass" if alarm == "pass" else "underpowered"


def _figures(share: ResponseShare | None, effects: Effects, held: NDArray[np.int64]) -> dict[str, Any]:
    if share is None:
        return {"by_embedding": None, "by_half": None, "test": [], "each": []}
    return {
        "by_embedding": share.by_embedding,
        "by_half": share.by_half,
        "interval": "90 %, jackknife over test perturbations: each bound is one-sided at 5 %",
        "p_of": "the embedding explains nothing: responses dealt anew among test perturbations",
        "test": [str(effects.perturbations[i]) for i in held],
        "each": plain(share.each),
    }


def _evidence(figures: dict[str, Any], name: str, *, later: bool) -> str:
    label = repr(name) if name else "The embedding"
    made_of = {"L1": "the test responses", "L2": "another screen of the same genes"}.get(figures["declared_level"])
    parts = [f"{label} is declared as made from {made_of} ({figures['declared_level']})."] if made_of else []
    parts += [*_alarm_sentences(figures, label), *_date_sentences(figures, later=later)]
    if figures["n_without_vector"]:
        parts.append(f"{figures['n_without_vector']} perturbations have no vector.")
    return " ".join(parts)


def _alarm_sentences(figures: dict[str, Any], label: str) -> list[str]:
    if figures["by_embedding"] is None:
        counts = f"{figures['n_train']} training and {figures['n_test']} test perturbations"
        return [f"{counts} with a vector are too few to tell ({_MIN_TRAIN} and {_MIN_TEST} are needed)."]
    own, half = (100 * max(figures[key], 0) for key in ("by_embedding", "by_half"))
    said = {
        "fail": "Prior knowledge does not come that close to a measurement: it looks made from these responses (L1).",
        "underpowered": "The halves of these responses hardly agree, so that nothing can be told.",
    }
    explained = f"{label} explains {own:.0f} % of {figures['n_test']} test responses, half of each response {half:.0f} % of its other half."
    return [explained, *([said[figures["alarm"]]] if figures["alarm"] in said else [])]


def _date_sentences(figures: dict[str, Any], *, later: bool) -> list[str]:
    if later:
        return [
            f"Its knowledge is of {figures['knowledge_date']}, the experiment of {figures['experiment_date']} (L3)."
        ]
    missing = [key for key in ("knowledge", "experiment") if not figures[f"{key}_date"]]
    unknown = f"No date of the {' and of the '.join(missing)} is known, so that later knowledge cannot be ruled out."
    return [unknown] if missing else []


def _cure(alarm: str, declared: str, *, later: bool) -> str:
    if declared == "L1" or (alarm == "fail" and declared != "L2"):
        return "Leave this source out, make it again from training responses alone, or declare it if it comes from another screen."
    if declared == "L2" or alarm in ("fail", "warn"):
        return "Say where the vectors come from, and score it beside sources that no screen went into."
    if later or declared == "L3":
        return "Report names alone, shuffled vectors and publication counts beside it, or use knowledge from before the experiment."
    return ""
