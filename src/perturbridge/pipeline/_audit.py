"""The audit of latents that lie in a file, with everything it needs read from that file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from perturbridge.errors import DataError

from ._audit_inputs import Groupings, find_latents, name_of, open_reference, read_groupings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from perturbridge.audit import AuditSettings
    from perturbridge.values import AuditReport, Finding, Latent, Screen

    from ._reference import Reference

__all__ = ["AuditedLatents", "audit_data"]


@dataclass(frozen=True, eq=False, kw_only=True)
class AuditedLatents:
    """Latents with their audits.

    Parameters
    ----------
    source
        Where they were read from.
    reports, latents
        By name of the latent.
    groupings
        Labels of the cells by role, and which cells are controls.
    reference
        PCA and library size of the counts; None where there are none.
    screen
        Counts of the cells, None where there are none.
    settings
        What was tolerated.
    explanation
        What was read and how, one sentence each.
    findings
        What was noticed.
    """

    source: str
    reports: Mapping[str, AuditReport]
    latents: Mapping[str, Latent]
    groupings: Groupings
    reference: Reference | None
    screen: Screen | None
    settings: AuditSettings
    explanation: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Latents whose verdict is `fail`."""
        return tuple(name for name, report in self.reports.items() if report.verdict == "fail")

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types; each of `reports` is read back by `AuditReport.from_json`."""
        return {
            "schema": 1,
            "source": self.source,
            "settings": self.settings.as_json(),
            "explanation": list(self.explanation),
            "findings": [finding.as_json() for finding in self.findings],
            "reports": {name: report.as_json() for name, report in self.reports.items()},
        }


def audit_data(  # noqa: PLR0913 one keyword for each thing a file may call by its own name
    source: str | Path | object,
    *,
    context: str | None,
    rep: str | Sequence[str] = (),
    labels: str | Path | None = None,
    sample: str | None = None,
    condition: str | None = None,
    state: str | None = None,
    control: str | Sequence[str] = (),
    place: str | None = None,
    x_is: Literal["counts", "log1p"] | None = None,
    make: Sequence[str] = ("PCA",),
    drop_unlabelled: bool = False,
    settings: AuditSettings | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> AuditedLatents:
    """Can these latents be trusted before transport? Any number of them, side by side, by the same folds and shuffles.

    Parameters
    ----------
    source
        An `.h5ad` file, an AnnData object, or a latent in a file of its own (`.npy`, `.csv`, `.tsv`, `.parquet`), beside `labels`.
    context
        Column of the technical grouping that must not be readable; several joined by commas for their combinations.
    rep
        Keys of `obsm`, or files with one row per cell. None: the latents made here of the counts, a PCA.
    labels
        Table of the cells (csv, tsv, parquet) for a source without labels, in the order of the latent or with the names of its cells.
    sample, condition, state
        Columns of the biological unit, the perturbation, and biology worth keeping.
    control
        Labels of `condition` that are controls; default the usual spellings.
    place, x_is
        Where the values lie and what they are, as in `read_screen`.
    make
        Latents to make of the counts where none is named: `"PCA"`, `"AE"`, `"VAE"`, a design such as `"scidrl"`, or one of these with
        penalties, `"VAE+mmd"` or `"VAE+mmd=40+adversary"`. Networks are fitted on half of the cells.
    drop_unlabelled
        Leave out cells with a missing label, counted in the report, instead of refusing them.
    settings
        Tolerances, sizes, seed.
    progress
        Called with a stage (`"pca"`, `"audits"`), steps done and steps in all.

    Raises
    ------
    DataError
        If a column or key does not exist (the nearest names are given), a label is missing, or a latent holds NaN.
    """
    # Imported here and not by every command: the probes bring scipy.stats along.
    from perturbridge.audit import AuditSettings, audit_latent

    chosen = settings or AuditSettings()
    tell = progress or (lambda _stage, _done, _total: None)
    keys = (rep,) if isinstance(rep, str) else tuple(rep)
    found = find_latents(source, keys, labels=labels)
    roles = {"context": context, "sample": sample, "condition": condition, "state": state}
    groupings = read_groupings(found.cells, roles, control=(control,) if isinstance(control, str) else tuple(control))
    opened = open_reference(
        found,
        place=place,
        x_is=x_is,
        make=make,
        groupings=groupings,
        progress=lambda done, total: tell("pca", done, total),
    )
    latents = {**found.latents, **opened.made}
    _refuse_none(latents, found.cells.name)
    reports: dict[str, AuditReport] = {}
    for i, (name, latent) in enumerate(latents.items()):
        tell("audits", i, len(latents))
        reference = opened.reference
        own = reference is None or latent is reference.latent
        reports[name] = audit_latent(
            latent,
            **groupings.by_role,
            control=groupings.control if groupings.control.any() else None,
            library_size=None if reference is None else reference.library_size,
            reference=None if own or reference is None else reference.latent.z,
            drop_unlabelled=drop_unlabelled,
            settings=chosen,
        )
    tell("audits", len(latents), len(latents))
    return AuditedLatents(
        source=name_of(source),
        reports=reports,
        latents=latents,
        groupings=groupings,
        reference=opened.reference,
        screen=opened.screen,
        settings=chosen,
        explanation=(*groupings.explanation, *opened.explanation),
        findings=opened.findings,
    )


def _refuse_none(latents: Mapping[str, Latent], name: str) -> None:
    if not latents:
        problem = f"There is no latent to audit in {name}."
        raise DataError(problem, cure="Name a key of obsm or a file (--rep).")
