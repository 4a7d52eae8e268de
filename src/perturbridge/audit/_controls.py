"""Check 4, controls: can the context be read among control cells alone?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._codes import joint
from ._readout_checks import as_check, read_context

if TYPE_CHECKING:
    from perturbridge.values import Check

    from ._design import Design
    from ._settings import AuditSettings
    from ._subject import Subject

__all__ = ["check_controls"]


def check_controls(
    subject: Subject, design: Design, settings: AuditSettings, *, rng: np.random.Generator
) -> Check | None:
    """Can the context be read among control cells alone (of the same state)? None where there are no controls in two contexts.

    Controls are what every transport plan starts from, and few beside the perturbed: a leak in them alone drowns in the whole.

    Parameters
    ----------
    subject, design, settings
        What is audited.
    rng
        Draws folds, subsamples, shuffles.
    """
    rows = np.flatnonzero(design.tested & subject.control)
    if len(rows) < 2 * settings.n_folds or len(np.unique(subject.context.codes[rows])) < 2:
        return None
    strata = np.zeros(len(rows), dtype=np.int64)
    if subject.state is not None:
        strata = joint(strata, subject.state.codes[rows].astype(np.int64))
    read = read_context(subject, rows, strata, settings=settings, rng=rng)
    return as_check(
        "readout_controls",
        "Can the context be read among control cells alone?",
        read,
        settings=settings,
    )
