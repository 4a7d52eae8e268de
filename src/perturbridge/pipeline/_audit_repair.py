"""The repair ladder over latents that were audited and did not pass."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import Labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from perturbridge.audit import Repair
    from perturbridge.values import AuditReport

    from ._audit import AuditedLatents

__all__ = ["repair_audited"]


def repair_audited(
    audited: AuditedLatents, *, progress: Callable[[str, int, int], None] | None = None
) -> dict[str, Repair]:
    """Repair each latent whose context is read, mildest step first, each step audited on cells it was not fitted on.

    Latents that pass, have lost their biology, or cannot be answered for by this design are left as they are. Cells
    without a label are left out, as they were in the audit. After the closed forms an encoder is trained anew, where there are counts.

    Parameters
    ----------
    audited
        What `audit_data` returned.
    progress
        Called with the stage `"repairs"`, steps done and steps in all.
    """
    from perturbridge.audit import CLOSED_FORM_STEPS, repair_latent

    from ._latent_steps import latent_steps

    steps = (*CLOSED_FORM_STEPS, *(() if audited.screen is None else latent_steps(audited.screen)))
    wanted = [name for name, report in audited.reports.items() if _repairable(report)]
    labels: dict[str, Labels | None] = dict(audited.groupings.by_role)
    known = np.ones(len(audited.groupings.control), dtype=np.bool_)
    for grouping in labels.values():
        if grouping is not None:
            known &= grouping.codes >= 0
    keep = np.flatnonzero(known)
    kept = {role: None if grouping is None else _rows(grouping, keep) for role, grouping in labels.items()}
    control = audited.groupings.control[keep]
    repairs = {}
    for i, name in enumerate(wanted):
        if progress is not None:
            progress("repairs", i, len(wanted))
        latent = audited.latents[name]
        repairs[name] = repair_latent(
            replace(latent, z=latent.z[keep], cells=latent.cells[keep]),
            context=kept["context"],  # type: ignore[arg-type]
            sample=kept["sample"],
            condition=kept["condition"],
            state=kept["state"],
            control=control if control.any() else None,
            steps=steps,
            settings=audited.settings,
        )
    if progress is not None and wanted:
        progress("repairs", len(wanted), len(wanted))
    return repairs


def _repairable(report: AuditReport) -> bool:
    """A context that is read can be taken out; biology that is lost, or a question the design leaves open, cannot be repaired."""
    return any(
        check.gates and check.verdict in ("fail", "warn") and check.name.startswith(("readout", "transport"))
        for check in report.checks
    )


def _rows(labels: Labels, keep: NDArray[np.int64]) -> Labels:
    return Labels(labels.column, labels.categories, labels.codes[keep])
