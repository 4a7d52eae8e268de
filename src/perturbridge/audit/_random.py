"""Check 1: can the context of a cell be read at all, by a probe fitted on other cells of the same samples?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._codes import relabelled
from ._folds import random_folds
from ._readout import Task, read_out
from ._readout_checks import as_check, read_context
from .probes._probe import LADDER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Check

    from ._design import Design
    from ._settings import AuditSettings
    from ._subject import Subject

__all__ = ["check_random"]


def check_random(subject: Subject, design: Design, settings: AuditSettings, *, rng: np.random.Generator) -> Check:
    """Can the context of a cell be read from its coordinates, by a probe fitted on other cells of the same samples?

    Beside it: what the shares of the contexts alone give, what the reference (PCA of the same data) and the library size alone give.

    Parameters
    ----------
    subject, design, settings
        What is audited.
    rng
        Draws folds, subsamples, shuffles.
    """
    rows = np.flatnonzero(design.tested)
    read = read_context(subject, rows, np.zeros(len(rows), dtype=np.int64), settings=settings, rng=rng)
    readout = read.readout
    baselines: dict[str, Any] = {}
    for name, values in (("reference", subject.reference), ("library_size", _log_size(subject))):
        if values is not None:
            baselines[name] = _linear_auc(
                values[rows], relabelled(subject.context.codes[rows]), settings=settings, rng=rng
            )
    remark = ""
    if "reference" in baselines:
        above = baselines["reference"] - 0.5
        baselines["relative"] = (readout.strongest.auc.value - 0.5) / above if above > 0.02 else None
        remark = f"The linear probe reads {baselines['reference']:.3f} from the reference."
    if "library_size" in baselines:
        remark += f" Library size alone gives {baselines['library_size']:.3f}."
    best = readout.strongest.classification
    remark = (
        f"Accuracy {best.accuracy:.3f} (the largest context alone {best.prior_accuracy:.3f}), balanced {best.balanced_accuracy:.3f} "
        f"(chance {best.chance:.3f}), F1 {best.f1:.3f}, {best.bits:.2f} of {best.entropy:.2f} bits. {remark}"
    )
    return as_check(
        "readout_random",
        "Can the context of a cell be read from its coordinates, biology included?",
        read,
        settings=settings,
        figures={
            "baselines": baselines,
            "contexts": [subject.context.categories[k] for k in np.unique(subject.context.codes[rows])],
        },
        remark=remark.strip(),
    )


def _log_size(subject: Subject) -> NDArray[np.float64] | None:
    return None if subject.library_size is None else np.log1p(subject.library_size)[:, None]


def _linear_auc(
    values: NDArray[np.float64], codes: NDArray[np.int64], *, settings: AuditSettings, rng: np.random.Generator
) -> float:
    strata = np.zeros(len(codes), dtype=np.int64)
    task = Task(
        z=values,
        codes=codes,
        strata=strata,
        folds=random_folds(codes, strata, n_folds=settings.n_folds, rng=rng),
        probes=LADDER[:1],
    )
    return read_out(task, confidence=settings.confidence, rng=rng).strongest.auc.value
