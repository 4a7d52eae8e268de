"""An alignment on disk: the alignment itself, its tables, and a page with figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd

from perturbridge.report import Figure, Report, Section, render_report

from ._align import controls_of
from ._align_words import alignment_sentences, alignment_table, plans_table
from ._audit_report import audit_section
from ._audit_words import verdict_sentence
from ._folder import new_folder
from ._manifest import environment, json_ready, write_json
from ._summary import finding_lines
from ._tables import write_table

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from perturbridge.values import Alignment, Labels

    from ._align import AlignedLatent

__all__ = ["alignment_frame", "alignment_section", "write_alignment_folder"]

_N_FIELDS = 3
_MOST_PLANS = 400


def alignment_frame(alignment: Alignment) -> pd.DataFrame:
    """One row per perturbation, a column for each figure of its report."""
    records = []
    for report in alignment.reports:
        record = {key: value for key, value in vars(report).items() if key != "composition"}
        records.append(record | {f"composition {state}": gap for state, gap in report.composition.items()})
    return pd.DataFrame.from_records(records)


def write_alignment_folder(done: AlignedLatent, out: str | Path, *, overwrite: bool = False, command: str = "") -> None:
    """Write `alignment/`, `alignment.html`, `perturbations.csv`, `plans.csv`, `audit.json` and `manifest.json` into a folder.

    Parameters
    ----------
    done
        What `align_data` returned.
    out
        The folder; on any error nothing is left in its place.
    overwrite
        Replace it if it is there.
    command
        The command line, for the manifest.

    Raises
    ------
    DataError
        If it exists and `overwrite` is not set.
    """
    from perturbridge.transport import write_alignment

    with new_folder(out, overwrite=overwrite) as folder:
        write_alignment(done.alignment, folder / "alignment")
        write_table(alignment_frame(done.alignment), folder / "perturbations.csv")
        write_table(pd.DataFrame.from_records([asdict(plan) for plan in done.alignment.plans]), folder / "plans.csv")
        write_json(folder / "audit.json", dict(json_ready(done.report.as_json())))
        told = dict(json_ready(done.as_json()))
        write_json(
            folder / "manifest.json", {"command": command, "environment": environment(workers=done.workers), **told}
        )
        (folder / "alignment.html").write_text(render_report(_page(done, command)), encoding="utf-8")


def _page(done: AlignedLatent, command: str) -> Report:
    told = environment()
    sentences = alignment_sentences(done.alignment)
    first = next(iter(done.audited.reports.values()))
    before = () if first is done.report or first.fingerprint == done.report.fingerprint else (verdict_sentence(first),)
    return Report(
        title=f"Where perturbations move cells: {done.audited.source}",
        answer=" ".join((*before, verdict_sentence(done.report), *sentences[:2])),
        sections=(
            alignment_section(done.alignment, figures=_figures(done)),
            audit_section({done.latent.name: done.report}),
            Section(title="Every plan", tables=(plans_table(done.alignment, most=_MOST_PLANS),), folded=True),
        ),
        footer=f"perturbridge {told['perturbridge']}, Python {told['python']}; latent {done.latent.fingerprint[:12]}. Command: {command or 'from Python'}",
    )


def alignment_section(alignment: Alignment, *, figures: tuple[Figure, ...] = ()) -> Section:
    """Return the section that tells of an alignment: what opened the gate, what moves, and the mass between contexts.

    Parameters
    ----------
    alignment
        What to tell of.
    figures
        Shown before the mass between contexts.
    """
    from perturbridge.plotting import figure_svg, plot_context_mass

    warnings, notes = finding_lines([finding.as_json() for finding in alignment.findings])
    opened = bool(alignment.audit.get("override"))
    sentences = alignment_sentences(alignment)
    if float(alignment.context_mass.sum()) > 0 and len(alignment.contexts) > 1:
        mass = plot_context_mass(alignment.context_mass, contexts=alignment.contexts)
        caption = "Mass that all plans move between contexts, over that of independent pairs: a bright diagonal means that contexts steer the plans."
        figures = (*figures, Figure(svg=figure_svg(mass), caption=caption))
    return Section(
        title="Where perturbations move cells",
        alarms=sentences[:1] if opened else (),
        sentences=(*(sentences[1:] if opened else sentences), *notes),
        warnings=warnings,
        tables=(alignment_table(alignment),),
        figures=figures,
    )


def _figures(done: AlignedLatent) -> tuple[Figure, ...]:
    """Displacement fields of the perturbations that move cells furthest."""
    from perturbridge.plotting import figure_svg, plot_displacement_field

    moved, rows = done.alignment, controls_of(done)
    roles = done.audited.groupings.by_role
    context = _names(roles["context"], rows)
    state = _names(roles["state"], rows) if moved.strata_by == "state" else None
    z = done.latent.z[rows]
    x = moved.centred(z, context)
    order = sorted(moved.reports, key=lambda report: -report.size)
    caption = "Dots are control cells, relative to their context; arrows show where this perturbation moves the cells of that square."
    return tuple(
        Figure(
            svg=figure_svg(
                plot_displacement_field(
                    x,
                    moved.displacement(z, report.perturbation, context=context, state=state),
                    perturbation=report.perturbation,
                )
            ),
            caption=caption,
        )
        for report in order[:_N_FIELDS]
    )


def _names(labels: Labels, rows: NDArray[np.int64]) -> list[str]:
    return [labels.categories[code] for code in labels.codes[rows]]
