"""Laying a report out."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from ._content import Report

__all__ = ["render_report"]


def render_report(report: Report) -> str:
    """Return one HTML page that needs no other file and no network; every text in it is escaped, only our SVG is not.

    The page runs one script, ours, named by its hash in the page's own policy: whatever else got in, it could not run. Without the
    script the page says the same; tables then neither sort nor filter.
    """
    script = (files("perturbridge.report") / "templates" / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader("perturbridge.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(report=report, script=script, digest=digest)
