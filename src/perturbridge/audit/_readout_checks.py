"""What the readouts of a context share: the ladder on a subsample, the exact test on all cells, and the record of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.values import Check

from ._codes import relabelled
from ._folds import random_folds, subsample
from ._permutation import separation_p
from ._readout import Task, read_out
from ._verdict import DEFAULT_CURE, judge_leak
from .probes._probe import LADDER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._readout import Readout
    from ._settings import AuditSettings
    from ._subject import Subject

__all__ = ["ContextRead", "as_check", "read_context"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ContextRead:
    """A readout of the context from some cells.

    Parameters
    ----------
    readout
        Of the ladder, on a subsample.
    rows
        The cells of the subsample, as rows of the subject.
    p, p_attainable
        Exact p-value of the closed-form probe on all cells, and the smallest it could have been.
    n_cells
        All cells.
    """

    readout: Readout
    rows: NDArray[np.int64]
    p: float
    p_attainable: float
    n_cells: int


def read_context(
    subject: Subject,
    rows: NDArray[np.int64],
    strata: NDArray[np.int64],
    *,
    settings: AuditSettings,
    rng: np.random.Generator,
) -> ContextRead:
    """Read the context of these cells with every probe on a subsample, and test the closed-form probe exactly on all.

    Parameters
    ----------
    subject
        What is audited.
    rows
        Cells to read `(n_read,)`.
    strata
        Codes within which cells are compared and labels shuffled `(n_read,)`.
    settings
        Sizes.
    rng
        Draws folds, subsamples, shuffles.
    """
    codes = relabelled(subject.context.codes[rows])
    strata = relabelled(strata)
    z = subject.z[rows]
    p, attainable = separation_p(z, codes, strata, n_permutations=settings.n_permutations, seed=rng)
    some = subsample(codes, settings.max_cells, rng)
    folds = random_folds(codes[some], strata[some], n_folds=settings.n_folds, rng=rng)
    task = Task(z=z[some], codes=codes[some], strata=relabelled(strata[some]), folds=folds)
    readout = read_out(task, confidence=settings.confidence, rng=rng, n_permutations=settings.n_permutations)
    return ContextRead(readout=readout, rows=rows[some], p=p, p_attainable=attainable, n_cells=len(rows))


def as_check(
    name: str,
    question: str,
    read: ContextRead,
    *,
    settings: AuditSettings,
    figures: dict[str, Any] | None = None,
    remark: str = "",
) -> Check:
    """Turn a readout into a check: the strongest probe is the effect, the bounds hold over all.

    Parameters
    ----------
    name, question
        Of the check.
    read
        What was read.
    settings
        Tolerance.
    figures
        More of them.
    remark
        Appended to the evidence.
    """
    readout, n_cells, p = read.readout, read.n_cells, (read.p, read.p_attainable)
    verdict, settle = judge_leak(readout, settings)
    best = readout.strongest
    ladder = ", ".join(f"{r.probe} {r.auc.value:.3f}" for r in readout.readings)
    left_out = [probe.name for probe in LADDER if probe.name not in {r.probe for r in readout.readings}]
    drawn = len(readout.task.codes)
    parts = [
        f"The strongest of {len(readout.readings)} probes ({best.probe}) reads the context with AUC {best.auc.value:.3f} "
        f"[{readout.low:.3f}, {readout.high:.3f}] ({ladder}; ½ is chance), on cells it was not fitted on.",
        f"Not tried on {readout.task.n_classes} contexts: {', '.join(left_out)}." if left_out else "",
        f"{drawn:,} of {n_cells:,} cells were drawn for the probes; the p-value uses all." if drawn < n_cells else "",
        remark,
        settle,
    ]
    both = [x for x in (p[0], readout.p) if not np.isnan(x)]
    return Check(
        name=name,
        question=question,
        verdict=verdict,
        evidence=" ".join(part for part in parts if part),
        cure="" if verdict == "pass" else DEFAULT_CURE,
        effect=best.auc.value,
        effect_name="AUC",
        low=readout.low,
        high=readout.high,
        p=min(1.0, len(both) * min(both)) if both else float("nan"),
        p_attainable=p[1],
        threshold=settings.leak_tolerance,
        figures={
            "probes": [r.as_json() for r in readout.readings],
            "p_linear": p[0],
            "p_ladder": readout.p,
            "null_band": [0.5 - _band(readout), 0.5 + _band(readout)],
            "strongest": best.probe,
            "n_read": drawn,
            "n_pairs": readout.n_pairs,
            "interval": "low: one-sided over all probes at once; high: one-sided for each probe, with the gain it would still make",
            **(figures or {}),
        },
    )


def _band(readout: Readout) -> float:
    """Half-width within which a readout of no effect would fall 95 times in 100."""
    return 1.96 * max(r.standard_error for r in readout.readings)
