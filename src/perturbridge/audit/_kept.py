"""Check 5: is the biology still there? An empty latent passes every test of leakage."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from perturbridge.values import Check

from ._codes import joint, relabelled
from ._folds import random_folds, subsample
from ._readout import Task, read_out
from .probes._probe import ladder_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Labels, Verdict

    from ._design import Design
    from ._readout import Readout
    from ._settings import AuditSettings
    from ._subject import Subject

__all__ = ["check_kept"]

_MOST_CLASSES = 40
_READABLE = 0.55


@dataclass(frozen=True, eq=False, kw_only=True)
class _Kept:
    """How well one label is read from latent and reference, within contexts."""

    role: str
    n_classes: int
    auc: float
    low: float
    high: float
    reference: float = nan
    reference_low: float = nan
    retention: float = nan
    retention_low: float = nan
    retention_high: float = nan
    probe: str = ""

    def as_json(self) -> dict[str, Any]:
        return {key: None if isinstance(v, float) and isnan(v) else v for key, v in vars(self).items()}


def check_kept(subject: Subject, design: Design, settings: AuditSettings, *, rng: np.random.Generator) -> Check:
    """Are condition and state as readable as from the reference? Retention = (AUC_z − ½) / (AUC_reference − ½).

    Pairs of cells are compared within their context, so that what the reference reads through a context does not count as biology.
    The same probe reads both; of several, the one that reads most from the reference. Without a reference only the presence of any
    readable biology is judged.

    Parameters
    ----------
    subject, design, settings
        What is audited, which cells are read, the retention floor.
    rng
        Draws folds and subsamples.
    """
    tasks = _labels(subject)
    if not tasks:
        return Check(
            name="kept",
            question="Is the biology still there?",
            verdict="warn",
            evidence="Neither condition nor state was given, so an empty latent would look the same.",
            cure="Pass condition= or state=: a latent without leak is of use only if it keeps biology.",
        )
    tasks = [(role, np.where(design.tested, codes, -1)) for role, codes in tasks]
    found = [_measure(subject, role, codes, settings=settings, rng=rng) for role, codes in tasks]
    found = [kept for kept in found if not isnan(kept.auc)]
    if not found:
        evidence, cure = (
            "No context holds two conditions or states, so what is kept cannot be read.",
            "Measure both in one context.",
        )
        return Check(name="kept", question="Is the biology still there?", verdict="warn", evidence=evidence, cure=cure)
    verdict, evidence, cure = _judge(found, settings, has_reference=subject.reference is not None)
    judged = [k for k in found if not isnan(k.retention)] or found
    worst = min(judged, key=lambda k: k.auc if isnan(k.retention) else k.retention)
    retained = not isnan(worst.retention)
    return Check(
        name="kept",
        question="Is the biology still there?",
        verdict=verdict,
        evidence=evidence,
        cure=cure,
        effect=worst.retention if retained else worst.auc,
        effect_name=f"{worst.role} kept" if retained else f"{worst.role} AUC",
        low=worst.retention_low if retained else worst.low,
        high=worst.retention_high if retained else worst.high,
        threshold=settings.retention_floor if retained else _READABLE,
        figures={"labels": [kept.as_json() for kept in found], "interval": "one-sided at each end, cells as units"},
    )


def _labels(subject: Subject) -> list[tuple[str, NDArray[np.int64]]]:
    """What to read: perturbed against control, which condition, which state; -1 marks cells that have no part in it."""
    tasks = []
    if subject.control.any() and not subject.control.all():
        tasks.append(("perturbed v control", (~subject.control).astype(np.int64)))
    if subject.condition is not None:
        tasks.append(("condition", _largest(subject.condition)))
    if subject.state is not None:
        tasks.append(("state", _largest(subject.state)))
    return [(role, codes) for role, codes in tasks if len(np.unique(codes[codes >= 0])) > 1]


def _largest(labels: Labels) -> NDArray[np.int64]:
    counts = np.bincount(labels.codes)
    kept = [k for k in np.argsort(-counts, kind="stable")[:_MOST_CLASSES] if counts[k] >= 5]
    codes = np.full(len(counts), -1, dtype=np.int64)
    codes[kept] = np.arange(len(kept))
    return codes[labels.codes]


def _measure(
    subject: Subject, role: str, codes: NDArray[np.int64], *, settings: AuditSettings, rng: np.random.Generator
) -> _Kept:
    rows = np.flatnonzero(codes >= 0)
    if len(np.unique(codes[rows])) < 2:
        return _Kept(role=role, n_classes=1, auc=nan, low=nan, high=nan)
    rows = rows[subsample(codes[rows], settings.max_cells, rng)]
    codes = relabelled(codes[rows])
    strata = relabelled(subject.context.codes[rows])
    if role == "condition" and subject.state is not None:
        strata = joint(strata, subject.state.codes[rows].astype(np.int64))
    folds = random_folds(codes, strata, n_folds=settings.n_folds, rng=rng)
    # One probe of each kind, line and neighborhood: this check compares two latents rather than hunts.
    probes = tuple(p for p in ladder_for(int(codes.max()) + 1) if p.name in ("linear", "neighbors"))

    def read(z: NDArray[np.float64]) -> Readout:
        task = Task(z=z, codes=codes, strata=strata, folds=folds, probes=probes)
        return read_out(task, confidence=settings.confidence, rng=rng)

    ours = read(subject.z[rows])
    if subject.reference is None:
        best = ours.strongest
        return _Kept(
            role=role,
            n_classes=int(codes.max()) + 1,
            auc=best.auc.value,
            low=ours.low,
            high=ours.high,
            probe=best.probe,
        )
    z95 = float(ndtri(settings.confidence))
    theirs = read(subject.reference[rows])
    reference = theirs.strongest
    same = next(r for r in ours.readings if r.probe == reference.probe)
    # The latent may be read better by another probe: what is kept is what can be read at all.
    mine = max((same, ours.strongest), key=lambda r: r.auc.value)
    above = reference.auc.value - 0.5
    ratio = (mine.auc.value - 0.5) / above if above > 0 else nan
    spread = (
        float(np.sqrt(((mine.auc.influence - ratio * reference.auc.influence) ** 2).sum())) / above
        if above > 0
        else nan
    )
    return _Kept(
        role=role,
        n_classes=int(codes.max()) + 1,
        auc=mine.auc.value,
        low=mine.auc.value - z95 * mine.auc.standard_error,
        high=mine.auc.value + z95 * mine.auc.standard_error,
        reference=reference.auc.value,
        reference_low=reference.auc.value - z95 * reference.auc.standard_error,
        retention=ratio
        if reference.auc.value - z95 * reference.auc.standard_error > 0.5 + 0.3 * (_READABLE - 0.5)
        else nan,
        retention_low=ratio - z95 * spread,
        retention_high=ratio + z95 * spread,
        probe=mine.probe,
    )


def _judge(found: list[_Kept], settings: AuditSettings, *, has_reference: bool) -> tuple[Verdict, str, str]:
    floor = settings.retention_floor
    listed = "; ".join(
        f"{k.role} AUC {k.auc:.3f}"
        + (f" of {k.reference:.3f} ({k.retention:.0%} kept)" if not isnan(k.retention) else "")
        for k in found
    )
    judged = [k for k in found if not isnan(k.retention)]
    lost = [k for k in judged if k.retention_high < floor]
    if lost:
        return (
            "fail",
            f"Within contexts: {listed}. {lost[0].role} is kept to less than {floor:.0%}.",
            "Repair less: choose the mildest step that passes.",
        )
    if has_reference and not judged:
        return (
            "warn",
            f"Within contexts: {listed}. The reference reads no biology either, so nothing can be judged.",
            "",
        )
    if not has_reference and not any(k.high >= _READABLE for k in found):
        evidence = f"Within contexts: {listed}: nothing of it can be read. A latent of noise looks like this."
        return "fail", evidence, "Choose a latent in which condition or state can be read."
    unsure = has_reference and any(k.retention_low < floor for k in judged)
    if unsure or not any(k.low > 0.5 for k in found):
        doubt = f"the interval reaches below {floor:.0%}" if unsure else "hardly distinguishable from noise"
        return "warn", f"Within contexts: {listed}; {doubt}.", "Add cells, or choose a latent that keeps more."
    return "pass", f"Within contexts: {listed}.", ""
