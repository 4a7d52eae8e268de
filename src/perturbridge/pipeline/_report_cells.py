"""Sections of a run's report that tell of its cells: the audit, where perturbations move them, and what predicted cells are worth."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.report import Figure, Section, Table

from ._align_files import alignment_section
from ._audit_report import audit_section
from ._audit_words import repair_table
from ._cell_scores import CELLS, STACKED
from ._summary import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perturbridge.values import AuditReport

    from ._cell_level import CellLevel

__all__ = ["cell_sections"]

_N_FIELDS = 2
_N_CELLS = 400
_RUNGS = MappingProxyType(
    {
        "zero": "no effect",
        "mean shift": "mean shift of the training perturbations",
        "ridge, mean": "ridge, one displacement for all cells",
        "ridge, cells": "ridge, a displacement for each cell",
        "residual": "the same, and the residual network",
    }
)


def cell_sections(
    manifest: Mapping[str, Any], level: CellLevel | None
) -> tuple[tuple[Section, ...], tuple[Section, ...]]:
    """Return the section on the latent, for the place of the verdict, and those on its cells; none where they were not asked for.

    Parameters
    ----------
    manifest
        Of the run, with `levels`.
    level
        The cell level.
    """
    if level is None:
        return (), ()
    if level.status == "skipped":
        return (), (Section(title="Cells", sentences=(f"No cells were predicted. {level.reason}",)),)
    more = []
    if level.alignment is not None:
        more.append(alignment_section(level.alignment, figures=_fields(level)))
    if level.response is not None:
        more.append(_worth(level, manifest.get("levels")))
    elif level.status == "aligned":
        more.append(Section(title="Predicted cells", sentences=(f"No cells were predicted. {level.reason}",)))
    return _trust(level), tuple(more)


def _trust(level: CellLevel) -> tuple[Section, ...]:
    """The audit of the latent, what repaired it, and the refusal where there is one."""
    latent = level.latent
    if latent is None or latent.report is None:
        said = "The screen names no context (batch, chip, lane), so that no leak of one could be looked for; the gate was opened without an audit."
        return (Section(title="Can the latent be trusted?", alarms=(said,)),)
    reports: dict[str, AuditReport] = {latent.report.latent: latent.report}
    if latent.first is not None and latent.first is not latent.report:
        reports = {latent.first.latent: latent.first, **reports}
    section = audit_section(reports)
    alarms, tables, sentences = list(section.alarms), list(section.tables), list(section.sentences)
    if latent.repair is not None:
        tables.append(repair_table(latent.repair))
        if latent.repair.chosen is not None:
            said = f"The latent as it was did not pass; {latent.step} is the mildest repair that does, and its result is what was used."
        elif latent.step:
            said = f"No repair in closed form passes; {latent.step} is the mildest after which cells may be paired at all, and its result is what was used."
        else:
            said = "No repair in closed form made it pass; perturbridge audit --repair also trains encoders anew."
        sentences.append(said)
    if level.status == "refused":
        alarms.append(f"No cells were aligned or predicted: the gate stayed shut. {level.reason}")
    elif level.alignment is not None and level.alignment.audit.get("override"):
        alarms.append(f"The gate was opened against the audit, because: {level.alignment.audit['override']}")
    return (
        Section(
            title=section.title,
            sentences=tuple(sentences),
            warnings=section.warnings,
            alarms=tuple(alarms),
            tables=tuple(tables),
            figures=section.figures,
        ),
    )


def _fields(level: CellLevel) -> tuple[Figure, ...]:
    """Displacement fields of the perturbations that move cells furthest, and their genes in the same cells before and after."""
    from perturbridge.plotting import figure_svg, plot_displacement_field, plot_gene_shift

    moved, latent = level.alignment, level.latent
    if moved is None or latent is None:
        return ()
    z, context, state = _some_controls(level)
    x = moved.centred(z, context)
    figures = []
    for report in sorted(moved.reports, key=lambda report: -report.size)[:_N_FIELDS]:
        name = report.perturbation
        shift = moved.displacement(z, name, context=context, state=state)
        drawn = plot_displacement_field(x, shift, perturbation=name)
        caption = "Dots are control cells relative to their context; arrows show where this perturbation, as it was measured, moves them."
        figures.append(Figure(svg=figure_svg(drawn), caption=caption))
    if level.decoder is not None and moved.reports:
        best = max(moved.reports, key=lambda report: report.size).perturbation
        shift = moved.displacement(z, best, context=context, state=state)
        before, after = (_logged(level, values, context) for values in (z, z + shift))
        ax = plot_gene_shift(before, after, genes=level.decoder.genes, perturbation=best)
        caption = "Each line is one control cell, decoded where it is and where the perturbation moves it."
        figures.append(Figure(svg=figure_svg(ax), caption=caption))
    return tuple(figures)


def _some_controls(level: CellLevel) -> tuple[np.ndarray[Any, Any], list[str] | None, list[str] | None]:
    from perturbridge.values import control_cells

    moved, latent = level.alignment, level.latent
    if moved is None or latent is None:
        message = "figures of an alignment need one"
        raise ValueError(message)
    used = latent.used
    rows = np.flatnonzero(control_cells(used.labels["condition"]))
    context = used.labels.get("context")
    if context is not None:
        known = np.array([*(name in moved.contexts for name in context.categories), False])
        rows = rows[known[context.codes[rows]]]
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:_N_CELLS])
    names = None if context is None else [context.categories[code] for code in context.codes[rows]]
    state = used.labels.get("state") if moved.strata_by == "state" else None
    return used.z[rows], names, None if state is None else [state.categories[code] for code in state.codes[rows]]


def _logged(level: CellLevel, z: np.ndarray[Any, Any], context: Sequence[str] | None) -> np.ndarray[Any, Any]:
    """log1p of expected counts per 10,000 `(n_cells, n_genes)`, each cell decoded in its own context."""
    decoder = level.decoder
    if decoder is None:
        message = "decoding needs a decoder"
        raise ValueError(message)
    out = np.zeros((len(z), len(decoder.genes)), dtype=np.float32)
    names = np.array([""] * len(z) if context is None else list(context), dtype=object)
    for name in sorted(set(names.tolist())):
        rows = np.flatnonzero(names == name)
        out[rows] = np.log1p(decoder.decode(z[rows], context=name or None, library_size=1e4))
    return out


def _worth(level: CellLevel, levels: Mapping[str, Any] | None) -> Section:
    """The ladder on held-out perturbations, profiles of both levels, and energy distances of predicted cells."""
    if level.response is None:
        message = "a section on the response needs one"
        raise ValueError(message)
    residual = level.response.report_["residual"]
    sentences = [
        f"Everything here was fitted on the training side of fold {level.fold!r}; figures are of perturbations that were held out.",
        f"The residual network: {residual.get('reason') or 'kept'}.",
    ]
    tables = [_ladder(level)]
    if levels is not None:
        tables += [_profiles(levels), *_energy(levels)]
        sentences.append(_stack_sentence(levels))
    return Section(title="What are predicted cells worth", sentences=tuple(sentences), tables=tuple(tables))


def _ladder(level: CellLevel) -> Table:
    ladder = level.response.ladder_  # type: ignore[union-attr]
    rows = tuple(
        (
            _RUNGS.get(rung.name, rung.name),
            _with_error(rung.error, rung.error_se),
            _with_error(rung.heterogeneity, rung.heterogeneity_se),
            _with_error(rung.energy, rung.energy_se),
        )
        for rung in ladder.rungs
    )
    columns = ("step", "#error per cell ↓ (no effect: 1)", "#heterogeneity ↑", "#energy distance ↓ (no effect: 1)")
    title = f"Cross-validated over {ladder.n_perturbations} training perturbations, against the displacements of the alignment (± standard error)"
    return Table(columns=columns, rows=rows, title=title)


def _profiles(levels: Mapping[str, Any]) -> Table:
    """Headline metrics of every model on the fold that the cell level did not see."""
    from perturbridge.evaluation import HEADLINE

    by_model: dict[str, dict[str, str]] = {}
    for row in levels["summary"]:
        if row["metric"] in HEADLINE:
            cell = f"{number(row['mean'], digits=3)} [{number(row['low'], digits=3)}, {number(row['high'], digits=3)}]"
            by_model.setdefault(str(row["model"]), {})[row["metric"]] = cell
    # What is compared stands on top, what it is held against below.
    order = sorted(by_model, key=lambda name: name not in ("perturbridge", CELLS, STACKED))
    rows = tuple((name, *(by_model[name].get(metric, "") for metric in HEADLINE)) for name in order)
    return Table(
        columns=("profiles on this fold", *(f"#{metric}" for metric in HEADLINE)),
        rows=rows,
        title="Δ profiles of held-out perturbations: from cells, from the ridge, stacked, and baselines",
    )


def _energy(levels: Mapping[str, Any]) -> tuple[Table, ...]:
    if not levels["ratio"]:
        return ()
    still = {"ratio": 1.0, "low": 1.0, "high": 1.0}
    rows = tuple(
        (step, *(_ratio(levels["ratio"][distance].get(step, still)) for distance in ("energy", "mmd")))
        for step in ("no change", "mean shift", "predicted")
    )
    title = f"Distance to the real cells of {len(levels['distances'])} held-out perturbations, over that of unmoved controls [95 % interval]"
    return (Table(columns=("cells", "#energy distance ↓", "#MMD² ↓"), rows=rows, title=title),)


def _ratio(value: Mapping[str, float]) -> str:
    return f"{value['ratio']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def _stack_sentence(levels: Mapping[str, Any]) -> str:
    weight, error = levels["weight"], levels["weight_se"]
    if not weight:
        return "On training perturbations, each predicted without having been seen, profiles from cells add nothing to the ridge beyond their error: the stack is the ridge alone."
    spread = "" if error is None or not np.isfinite(error) else f" ± {error:.2f}"
    return f"On training perturbations, each predicted without having been seen, the best stack gives profiles from cells a weight of {weight:.2f}{spread}."


def _with_error(value: float, error: float) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:.3f} ± {error:.3f}" if np.isfinite(error) else f"{value:.3f}"
