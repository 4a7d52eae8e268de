"""An audit on disk: a JSON file, a page, or a folder with both and what lies behind them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from perturbridge._files import atomic_file
from perturbridge.errors import DataError
from perturbridge.values import AuditReport

from ._audit_words import probes_rows
from ._folder import new_folder
from ._manifest import environment, json_ready, write_json
from ._tables import write_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perturbridge.audit import Repair

    from ._audit import AuditedLatents

__all__ = ["audit_json", "read_audit", "write_audit"]


def audit_json(audited: AuditedLatents, repairs: Mapping[str, Repair] | None = None) -> dict[str, Any]:
    """Return an audit, and what its repairs did, as plain JSON types."""
    record = audited.as_json()
    record["repairs"] = {
        name: {"rungs": repair.table(), "chosen": None if repair.chosen is None else repair.chosen.step}
        for name, repair in (repairs or {}).items()
    }
    return dict(json_ready(record))


def write_audit(
    audited: AuditedLatents,
    out: str | Path,
    *,
    repairs: Mapping[str, Repair] | None = None,
    overwrite: bool = False,
    command: str = "",
) -> None:
    """Write an audit: `.json` and `.html` are one file, any other name a folder.

    The folder holds `audit.json`, `audit.html`, `probes.csv` (every probe under every split), a figure of it for each latent
    (`probes_*.svg`), of several latents one figure of leak and biology (`side_by_side.svg`), `manifest.json`, and a `.npy` for each latent that a repair made pass.

    Parameters
    ----------
    audited
        What `audit_data` returned.
    out
        Where to; on any error nothing is left in its place.
    repairs
        What `repair_audited` returned.
    overwrite
        Replace what is there already.
    command
        The command line, for the manifest.

    Raises
    ------
    DataError
        If it exists and `overwrite` is not set, or its folder does not exist.
    """
    path = Path(out)
    if path.suffix in (".json", ".html"):
        if path.exists() and not overwrite:
            problem = f"{path} exists already."
            raise DataError(problem, cure="Choose another -o, or pass --overwrite.")
        text = _page(audited, repairs, command) if path.suffix == ".html" else None
        if text is None:
            write_json(path, audit_json(audited, repairs))
        else:
            with atomic_file(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return
    with new_folder(path, overwrite=overwrite) as folder:
        write_json(folder / "audit.json", audit_json(audited, repairs))
        (folder / "audit.html").write_text(_page(audited, repairs, command), encoding="utf-8")
        rows = probes_rows(audited.reports)
        if rows:
            write_table(pd.DataFrame(rows), folder / "probes.csv")
        for name, report in audited.reports.items():
            _write_figure(report, folder / f"probes_{_file_name(name)}.svg")
        _write_side_by_side(audited, folder)
        for name, repair in (repairs or {}).items():
            if repair.chosen is not None:
                np.save(folder / f"repaired_{_file_name(name)}.npy", repair.chosen.latent.z, allow_pickle=False)
        manifest = {"schema": 1, "command": command, "environment": environment(), "source": audited.source}
        write_json(folder / "manifest.json", manifest | {"settings": audited.settings.as_json()})


def _page(audited: AuditedLatents, repairs: Mapping[str, Repair] | None, command: str) -> str:
    # Imported here, as in a run: figures are the dearest import of all.
    from perturbridge.report import render_report

    from ._audit_report import audit_report

    return render_report(audit_report(audited, repairs=repairs or {}, command=command))


def _write_side_by_side(audited: AuditedLatents, folder: Path) -> None:
    from perturbridge.plotting import figure_svg

    from ._audit_figures import side_by_side_figures

    if len(audited.reports) > 1:
        for ax, _ in side_by_side_figures(audited.reports):
            (folder / "side_by_side.svg").write_text(figure_svg(ax), encoding="utf-8")


def _write_figure(report: AuditReport, path: Path) -> None:
    from perturbridge.plotting import figure_svg, plot_probe_forest

    if probes_rows({report.latent: report}):
        path.write_text(figure_svg(plot_probe_forest(report)), encoding="utf-8")


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".") or "latent"


def read_audit(path: str | Path) -> dict[str, AuditReport]:
    """Read the reports of an `audit.json`, by name of the latent.

    Raises
    ------
    DataError
        If it cannot be read, or is no audit.
    """
    try:
        records = json.loads(Path(path).read_text(encoding="utf-8"))["reports"]
        return {str(name): AuditReport.from_json(record) for name, record in records.items()}
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{path} is not an audit: {type(error).__name__}: {error}."
        raise DataError(problem, cure="Use an audit.json written by perturbridge audit -o.") from error
