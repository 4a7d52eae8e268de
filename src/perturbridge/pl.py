"""Figures of what `perturbridge.tl` found, in the manner of scanpy's `pl`.

Takes: AnnData with results under `uns["perturbridge"]`.
Gives: matplotlib Axes.
Depends on: values, plotting.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from perturbridge._checks import nearest_names
from perturbridge.errors import DataError
from perturbridge.values import AuditReport

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

__all__ = ["audit", "audit_reports", "leak_and_biology"]


def audit_reports(adata: AnnData) -> dict[str, AuditReport]:
    """Return the audits that `tl.audit` left in an object, by name of the latent.

    Raises
    ------
    DataError
        If there are none.
    """
    held = adata.uns.get("perturbridge", {}).get("audit", {})
    if not held:
        problem = "The AnnData object holds no audit."
        raise DataError(problem, cure='Make one first: pb.tl.audit(adata, use_rep="X_pca", context_key="batch").')
    return {str(name): AuditReport.from_json(json.loads(str(record["json"]))) for name, record in held.items()}


def audit(adata: AnnData, *, use_rep: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw what every probe reads of the context under every split, with the band of no effect and the tolerance.

    Parameters
    ----------
    adata
        After `tl.audit`.
    use_rep
        Which audit; by default the one there is.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    DataError
        If there is no such audit, or several and none was named.
    """
    from perturbridge.plotting import plot_probe_forest

    reports = audit_reports(adata)
    if use_rep is None and len(reports) > 1:
        problem = f"The object holds {len(reports)} audits and none was named."
        raise DataError(problem, cure=f"Pass use_rep, one of {', '.join(map(repr, reports))}.")
    name = use_rep or next(iter(reports))
    if name not in reports:
        problem = f"The object holds no audit of {name!r}."
        raise DataError(problem, cure=f"It holds {nearest_names(name, tuple(reports))}.")
    return plot_probe_forest(reports[name], ax=ax)


def leak_and_biology(adata: AnnData, *, ax: Axes | None = None) -> Axes:
    """Draw every audited latent by how much context is read from it, and how much biology.

    Parameters
    ----------
    adata
        After `tl.audit` of one latent or more.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    DataError
        If there is no audit.
    """
    from perturbridge.plotting import plot_leak_biology

    return plot_leak_biology(list(audit_reports(adata).values()), ax=ax)
