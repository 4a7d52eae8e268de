"""Check 2: does a readable context generalize to samples that no probe has seen?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from perturbridge.numerics import group_means
from perturbridge.values import Check

from ._codes import joint, relabelled
from ._folds import held_out_sample_folds, subsample
from ._permutation import group_permutation_p, n_partitions, separation_p, whiten
from ._readout import Task, read_out
from ._verdict import DEFAULT_CURE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Verdict

    from ._design import Design
    from ._readout import Readout
    from ._settings import AuditSettings
    from ._subject import Subject

__all__ = ["check_held_out"]

_FEWEST = 4


def check_held_out(
    subject: Subject, design: Design, settings: AuditSettings, *, rng: np.random.Generator
) -> Check | None:
    """Can the context of cells of a new sample be read? None where no sample was given.

    Nested samples: one sample of every context together is held out, and the p-value deals whole samples anew. Crossed samples: whole
    samples are held out, and labels are shuffled within samples. Intervals come from samples, not cells: with fewer than four per
    context only the range over folds is given, and the answer is `underpowered`.

    Parameters
    ----------
    subject, design, settings
        What is audited.
    rng
        Deals samples to folds, draws shuffles.
    """
    if design.relation == "none" or subject.sample is None:
        return None
    if design.relation == "same" or min(design.samples_per_context) < 2:
        return _untestable(subject, design)
    crossed = design.relation == "crossed"
    rows = np.flatnonzero(design.tested)
    rows = rows[subsample(relabelled(subject.context.codes[rows]), settings.max_cells, rng)]
    codes, samples = relabelled(subject.context.codes[rows]), relabelled(subject.sample.codes[rows])
    strata = relabelled(subject.strata[rows])
    fold_of = held_out_sample_folds(np.arange(samples.max() + 1), _context_of(samples, codes), rng, crossed=crossed)
    within = joint(strata, samples) if crossed else strata
    task = Task(z=subject.z[rows], codes=codes, strata=within, folds=fold_of[samples], clusters=samples)
    readout = read_out(task, confidence=settings.confidence, rng=rng)
    bounds = _bounds(readout, crossed=crossed, settings=settings)
    p, attainable = _p_value(subject, design, settings, crossed=crossed, rng=rng)
    return _as_check(readout, bounds, design=design, settings=settings, p=(p, attainable))


def _context_of(samples: NDArray[np.int64], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Context of each sample `(n_samples,)`, the most frequent where there are several."""
    table = np.zeros((int(samples.max()) + 1, int(codes.max()) + 1), dtype=np.int64)
    np.add.at(table, (samples, codes), 1)
    return np.asarray(table.argmax(axis=1), dtype=np.int64)


def _untestable(subject: Subject, design: Design) -> Check:
    fewest = min(design.samples_per_context)
    return Check(
        name="readout_held_out",
        question="Can the context of cells of a new sample be read?",
        verdict="not_identifiable",
        evidence=(
            f"A context of {subject.context.column!r} has {fewest} sample: whether the context or the sample is read cannot be told apart."
        ),
        cure="Two samples per context make it testable at all; four or more, with a p-value that can be small.",
        p_attainable=1.0,
        gates=False,
        figures={"samples_per_context": list(design.samples_per_context)},
    )


def _bounds(readout: Readout, *, crossed: bool, settings: AuditSettings) -> dict[str, tuple[float, float, float]]:
    """By probe: AUC, low, high; from samples as units."""
    out = {}
    for reading in readout.readings:
        if crossed:
            out[reading.probe] = (reading.auc.value, reading.low, reading.high)
            continue
        n_folds = len(reading.per_fold)
        value = float(np.nanmean(reading.per_fold))
        # Folds share their training samples: the variance of their mean is (1/G + 1/(G−1)) S² (Nadeau and Bengio, 2003).
        spread = float(np.nanstd(reading.per_fold, ddof=1) * np.sqrt(1 / n_folds + 1 / (n_folds - 1)))
        error = max(spread, reading.standard_error)
        wide = float(stdtrit(n_folds - 1, 1 - (1 - settings.confidence) / len(readout.readings)))
        narrow = float(stdtrit(n_folds - 1, settings.confidence))
        out[reading.probe] = (value, max(0.0, value - wide * error), min(1.0, value + narrow * error))
    return out


def _p_value(
    subject: Subject, design: Design, settings: AuditSettings, *, crossed: bool, rng: np.random.Generator
) -> tuple[float, float]:
    rows = np.flatnonzero(design.tested)
    codes, samples = relabelled(subject.context.codes[rows]), relabelled(subject.sample.codes[rows])  # type: ignore[union-attr]
    strata = relabelled(subject.strata[rows])
    if crossed:
        return separation_p(
            subject.z[rows], codes, joint(strata, samples), n_permutations=settings.n_permutations, seed=rng
        )
    white = whiten(subject.z[rows], strata)
    means, _ = group_means(white, samples, n_groups=int(samples.max()) + 1)
    return group_permutation_p(means, _context_of(samples, codes), n_permutations=settings.n_permutations, seed=rng)


def _as_check(
    readout: Readout,
    bounds: dict[str, tuple[float, float, float]],
    *,
    design: Design,
    settings: AuditSettings,
    p: tuple[float, float],
) -> Check:
    best = max(bounds, key=lambda name: bounds[name][0])
    value, low, high = bounds[best][0], max(b[1] for b in bounds.values()), max(b[2] for b in bounds.values())
    crossed = design.relation == "crossed"
    n_units = min(design.samples_per_context)
    verdict, settle = _judge(low, high, n_units=n_units, settings=settings, design=design)
    per_fold = [f for r in readout.readings if r.probe == best for f in r.per_fold]
    how = "whole samples" if crossed else "one sample of every context together"
    evidence = (
        f"With {how} held out, the strongest probe ({best}) reads the context with AUC {value:.3f} (folds {min(per_fold):.3f} to "
        f"{max(per_fold):.3f}), p {p[0]:.3g} (not below {p[1]:.3g} by design). {settle}"
    )
    figures: dict[str, Any] = {
        "probes": [
            r.as_json() | {"auc": bounds[r.probe][0], "low": bounds[r.probe][1], "high": bounds[r.probe][2]}
            for r in readout.readings
        ],
        "relation": design.relation,
        "strongest": best,
        "null_band": [0.5 - (high - value), 0.5 + (high - value)],
        "interval": "from samples: cluster-robust where crossed, corrected spread of folds where nested; low over all probes at once",
    }
    return Check(
        name="readout_held_out",
        question="Can the context of cells of a new sample be read?",
        verdict=verdict,
        evidence=evidence.strip(),
        cure="" if verdict == "pass" else DEFAULT_CURE if verdict == "fail" else settle,
        effect=value,
        effect_name="AUC",
        low=low,
        high=high,
        p=p[0],
        p_attainable=p[1],
        threshold=settings.leak_tolerance,
        figures=figures,
    )


def _judge(low: float, high: float, *, n_units: int, settings: AuditSettings, design: Design) -> tuple[Verdict, str]:
    tolerance = settings.leak_tolerance
    if n_units < _FEWEST:
        counts = (_FEWEST,) * design.n_contexts
        smallest = f" (smallest p then {1 / n_partitions(counts):.2g})" if design.relation == "nested" else ""
        return "underpowered", f"{n_units} samples per context do not settle it; {_FEWEST} or more would{smallest}."
    if high < tolerance:
        return "pass", ""
    if low > tolerance:
        return "fail", ""
    if low <= 0.5:
        return (
            "underpowered",
            f"{n_units} samples leave room for no leak and for more than is tolerated; about twice as many would settle it.",
        )
    return "warn", ""
