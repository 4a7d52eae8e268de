"""Laying a report out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from ._content import Report

__all__ = ["render_report"]


def render_report(report: Report) -> str:
    """Return one HTML page that needs no other file and no network; every text in it is escaped, only our SVG is not."""
    environment = Environment(
        loader=PackageLoader("perturbridge.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(report=report)
