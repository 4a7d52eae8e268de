"""Check 4: can the context be read among cells of the same condition and state?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._auc import macro_auc
from ._codes import joint
from ._readout_checks import as_check, read_context

if TYPE_CHECKING:
    from perturbridge.values import Check

    from ._design import Design
    from ._readout_checks import ContextRead
    from ._settings import AuditSettings
    from ._subject import Subject

__all__ = ["check_within"]


def check_within(subject: Subject, design: Design, settings: AuditSettings, *, rng: np.random.Generator) -> Check:
    """Can the context be read among cells of the same condition and state?

    Pairs of cells are compared inside one stratum and coordinates centred by stratum on training folds, so that biology associated
    with the context is not called a leak, nor a leak excused as biology.

    Parameters
    ----------
    subject, design, settings
        What is audited.
    rng
        Draws folds, subsamples, shuffles.
    """
    rows = np.flatnonzero(design.tested)
    strata = subject.strata[rows]
    read = read_context(subject, rows, strata, settings=settings, rng=rng)
    roles = " and ".join(labels.column for labels in (subject.condition, subject.state) if labels is not None)
    by_state = _by_state(subject, read)
    remark = f"Pairs are cells of the same {roles}."
    if by_state:
        most = max(by_state, key=lambda row: row["auc"])
        remark += f" Most readable in {most['state']!r} ({most['auc']:.3f}, {most['n_cells']:,} cells)."
    return as_check(
        "readout_within",
        f"Can the context be read among cells of the same {roles}?",
        read,
        settings=settings,
        figures={"by_state": by_state},
        remark=remark,
    )


def _by_state(subject: Subject, read: ContextRead) -> list[dict[str, Any]]:
    """AUC of the strongest probe among the cells of each state."""
    if subject.state is None:
        return []
    task, scores = read.readout.task, read.readout.strongest.scores
    groups, states = joint(task.folds, task.strata), subject.state.codes[read.rows]
    table = []
    for k, name in enumerate(subject.state.categories):
        rows = states == k
        auc = macro_auc(scores[rows], task.codes[rows], groups[rows])
        if auc.n_pairs:
            error = float(np.sqrt(2) * auc.standard_error)
            table.append({"state": name, "n_cells": int(rows.sum()), "auc": auc.value, "standard_error": error})
    return table
