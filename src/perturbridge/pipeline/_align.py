"""From a file to an alignment: its latent is audited, repaired where asked, and aligned if the gate opens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.errors import DataError, LeakageError
from perturbridge.screens import canonical_labels, open_cells
from perturbridge.workers import as_workers

from ._audit import audit_data
from ._audit_repair import repair_audited

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from perturbridge.audit import AuditSettings, Repair
    from perturbridge.transport import AlignmentSettings
    from perturbridge.values import Alignment, AuditReport, Latent

    from ._audit import AuditedLatents

__all__ = ["AlignedLatent", "align_data", "controls_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class AlignedLatent:
    """An alignment with everything that led to it.

    Parameters
    ----------
    audited
        The audit of the latent as it was.
    repair
        What the repair ladder did, None where it was not climbed.
    latent, report
        The latent that was aligned, and the audit that opened the gate.
    alignment
        Displacements and reports.
    workers
        Where it was computed, for the manifest.
    """

    audited: AuditedLatents
    repair: Repair | None
    latent: Latent
    report: AuditReport
    alignment: Alignment
    workers: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        moved = self.alignment
        return {
            "schema": 1,
            "source": self.audited.source,
            "latent": self.latent.name,
            "audit": self.report.as_json(),
            "gate": dict(moved.audit),
            "repair": None if self.repair is None else self.repair.table(),
            "settings": dict(moved.settings),
            "strata": [list(pair) for pair in moved.strata],
            "strata_by": moved.strata_by,
            "contexts": list(moved.contexts),
            "findings": [finding.as_json() for finding in moved.findings],
            "perturbations": [report.as_json() for report in moved.reports],
            "plans": [plan.as_json() for plan in moved.plans],
        }


def align_data(  # noqa: PLR0913 one keyword for each thing a file may call by its own name
    source: str | Path | object,
    *,
    context: str,
    condition: str,
    rep: str | None = None,
    labels: str | Path | None = None,
    sample: str | None = None,
    state: str | None = None,
    guide: str | None = None,
    control: str | Sequence[str] = (),
    place: str | None = None,
    make: str = "PCA",
    drop_unlabelled: bool = False,
    repair: bool = False,
    override: str = "",
    settings: AlignmentSettings | None = None,
    audit_settings: AuditSettings | None = None,
    client: object = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> AlignedLatent:
    """Audit a latent and, if the gate opens, align its perturbed cells with the controls.

    Parameters
    ----------
    source
        As in `audit_data`.
    context, condition
        Columns of the technical grouping and of the perturbation.
    rep, labels, sample, state
        As in `audit_data`; one latent.
    guide
        Column of the guide: the controls' guides are tried as placebos.
    control, place
        As in `audit_data`.
    make
        Latent to make of the counts where none is named.
    drop_unlabelled
        As in `audit_data`.
    repair
        Where the latent does not pass, climb the repair ladder and align what passes, else what may be paired within contexts.
    override
        Open the gate against the verdict, for this reason.
    settings, audit_settings
        Of the alignment and of the audit.
    client
        Workers that align, as in `align_latent`.
    progress
        Called with a stage, steps done and steps in all.

    Raises
    ------
    LeakageError
        If the gate stays shut.
    DataError
        As `audit_data` and `align_latent`.
    """
    from perturbridge.transport import align_latent

    workers = as_workers(client)
    audited = audit_data(
        source,
        context=context,
        rep=() if rep is None else (rep,),
        labels=labels,
        sample=sample,
        condition=condition,
        state=state,
        control=control,
        place=place,
        make=(make,),
        drop_unlabelled=drop_unlabelled,
        settings=audit_settings,
        progress=progress,
    )
    if not audited.groupings.control.any():
        problem = f"No cell of column {condition!r} is a control."
        raise DataError(problem, cure="Name the label of control cells (--control).")
    name, latent = next(iter(audited.latents.items()))
    report, done = audited.reports[name], None
    if report.verdict != "pass" and repair:
        latent, report, done = _repaired(audited, name, progress=progress)
    if override:
        report = report.overridden(override)
    roles = audited.groupings.by_role
    cells = open_cells(labels if labels is not None else source)
    named = (control,) if isinstance(control, str) else tuple(control)
    alignment = align_latent(
        latent,
        audit=report,
        condition=canonical_labels(roles["condition"], named=named),
        control=audited.groupings.control,
        context=roles["context"],
        state="" if roles["state"] is None else roles["state"],
        guide=None if guide is None else cells.labels(guide, role="guide"),
        drop_unlabelled=drop_unlabelled,
        settings=settings,
        client=workers,
        progress=None if progress is None else lambda i, n: progress("plans", i, n),
    )
    return AlignedLatent(
        audited=audited,
        repair=done,
        latent=latent,
        report=report,
        alignment=alignment,
        workers=workers.description,
    )


def _repaired(
    audited: AuditedLatents, name: str, *, progress: Callable[[str, int, int], None] | None
) -> tuple[Latent, AuditReport, Repair | None]:
    """What the ladder made usable, or the latent as it was; refused where cells without labels keep it from standing for all cells."""
    done = repair_audited(audited, progress=progress).get(name)
    chosen = None if done is None else done.mildest
    if chosen is None:
        return audited.latents[name], audited.reports[name], done
    if chosen.latent.n_cells != audited.latents[name].n_cells:
        problem = f"The repaired latent holds {chosen.latent.n_cells:,} of {audited.latents[name].n_cells:,} cells, those with every label."
        raise LeakageError(problem, cure="Leave out cells without labels from the file, then repair and align.")
    return replace(chosen.latent, labels=audited.latents[name].labels), chosen.report, done


def controls_of(done: AlignedLatent) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows of the controls that can be moved: those of contexts that were centred."""
    roles, moved = done.audited.groupings.by_role, done.alignment
    rows = np.flatnonzero(done.audited.groupings.control)
    context = roles["context"]
    known = np.array([name in set(moved.contexts) for name in context.categories] + [False])
    return np.asarray(rows[known[context.codes[rows]]])
