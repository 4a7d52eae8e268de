"""Analyses of an AnnData object in place, in the manner of scanpy's `tl`.

Takes: AnnData; columns of `obs` and keys of `obsm` by name.
Gives: records; results under `uns["perturbridge"]` as plain types that survive `write_h5ad`, latents under `obsm`.
Depends on: pipeline.
"""

from __future__ import annotations

import json
from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING, Any

from perturbridge import pipeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from perturbridge.audit import AuditSettings
    from perturbridge.transport import AlignmentSettings
    from perturbridge.values import Alignment, AuditReport

__all__ = ["align", "audit", "repair"]


def align(  # noqa: PLR0913 one keyword for each thing an object may call by its own name
    adata: AnnData,
    *,
    use_rep: str,
    context_key: str,
    condition_key: str,
    sample_key: str | None = None,
    state_key: str | None = None,
    control: str | Sequence[str] = (),
    repair: bool = False,
    override: str = "",
    settings: AlignmentSettings | None = None,
    client: object = None,
) -> Alignment:
    """Audit `obsm[use_rep]` and align perturbed cells with controls if the gate opens; writes `uns["perturbridge"]["align"][use_rep]`.

    Parameters
    ----------
    adata
        Cells.
    use_rep
        Key of `obsm`.
    context_key, condition_key, sample_key, state_key, control
        As in `audit`; here the condition is needed.
    repair
        Where the latent does not pass, climb the repair ladder and align what passes.
    override
        Open the gate against the verdict, for this reason.
    settings
        How cells are paired.
    client
        A `dask.distributed.Client` or an executor to spread the perturbations over; default this process. The result is the same.

    Returns
    -------
    Alignment
        `displacement(z, perturbation, context=…)` for any control cell; its reports are what was written, one row per perturbation.

    Raises
    ------
    LeakageError
        If the gate stays shut.
    DataError
        If a column or key does not exist or a label is missing.
    """
    done = pipeline.align_data(
        adata,
        rep=use_rep,
        context=context_key,
        condition=condition_key,
        sample=sample_key,
        state=state_key,
        control=control,
        repair=repair,
        override=override,
        settings=settings,
        client=client,
    )
    frame = pipeline.alignment_frame(done.alignment)
    held: dict[str, Any] = adata.uns.setdefault("perturbridge", {}).setdefault("align", {})
    held[use_rep] = {name: frame[name].to_numpy() for name in frame.columns}
    _audits(adata)[use_rep] = _plain(done.audited.reports[use_rep])
    return done.alignment


def audit(  # noqa: PLR0913 one keyword for each thing an object may call by its own name
    adata: AnnData,
    *,
    context_key: str,
    use_rep: str | None = None,
    sample_key: str | None = None,
    condition_key: str | None = None,
    state_key: str | None = None,
    control: str | Sequence[str] = (),
    layer: str | None = None,
    drop_unlabelled: bool = False,
    settings: AuditSettings | None = None,
) -> AuditReport:
    """Can `obsm[use_rep]` be trusted before transport? Writes `uns["perturbridge"]["audit"][use_rep]`.

    Parameters
    ----------
    adata
        Cells; counts in `X`, `raw` or a layer, where there are any, serve as reference.
    context_key
        Column of `obs` with the technical grouping that must not be readable.
    use_rep
        Key of `obsm`. None: a PCA made here of the counts, as `"PCA-16"`. Audits of several latents are kept side by side.
    sample_key, condition_key, state_key
        Columns of the biological unit, the perturbation, and biology worth keeping.
    control
        Labels of `condition_key` that are controls; default the usual spellings.
    layer
        Layer that holds the counts; by default found.
    drop_unlabelled
        Leave out cells with a missing label, counted in the report, instead of refusing them.
    settings
        Tolerances, sizes, seed.

    Returns
    -------
    AuditReport
        Its `require()` raises unless the gate is open.

    Raises
    ------
    DataError
        If a column or key does not exist, a label is missing, or the latent holds NaN.
    """
    audited = pipeline.audit_data(
        adata,
        rep=() if use_rep is None else (use_rep,),
        context=context_key,
        sample=sample_key,
        condition=condition_key,
        state=state_key,
        control=control,
        place=layer,
        drop_unlabelled=drop_unlabelled,
        settings=settings,
    )
    (name, report) = next(iter(audited.reports.items()))
    _audits(adata)[name] = _plain(report)
    return report


def repair(  # noqa: PLR0913 as audit
    adata: AnnData,
    *,
    use_rep: str,
    context_key: str,
    sample_key: str | None = None,
    condition_key: str | None = None,
    state_key: str | None = None,
    control: str | Sequence[str] = (),
    key_added: str | None = None,
    settings: AuditSettings | None = None,
) -> list[dict[str, Any]]:
    """Take the context out of `obsm[use_rep]` by the mildest step that passes its audit; writes `obsm[key_added]` if one does.

    Parameters
    ----------
    adata
        Cells.
    use_rep
        Key of `obsm`.
    context_key, sample_key, condition_key, state_key, control
        As in `audit`.
    key_added
        Default `use_rep + "_repaired"`.
    settings
        Of every audit.

    Returns
    -------
    list of dict
        One record per step tried: verdict, leak and biology kept.

    Raises
    ------
    DataError
        As `audit`; a cell without a label has no repair.
    """
    audited = pipeline.audit_data(
        adata,
        rep=(use_rep,),
        context=context_key,
        sample=sample_key,
        condition=condition_key,
        state=state_key,
        control=control,
        settings=settings,
    )
    done = pipeline.repair_audited(audited)
    if use_rep not in done:
        return []
    chosen = done[use_rep].chosen
    if chosen is not None:
        key = key_added or f"{use_rep}_repaired"
        adata.obsm[key] = chosen.latent.z.copy()
        _audits(adata)[key] = _plain(replace(chosen.report, latent=key))
    return done[use_rep].table()


def _audits(adata: AnnData) -> dict[str, Any]:
    """Return the part of `uns` that holds audits, by latent; it is made where there is none."""
    held: dict[str, Any] = adata.uns.setdefault("perturbridge", {}).setdefault("audit", {})
    return held


def _plain(report: AuditReport) -> dict[str, Any]:
    """What `uns` can hold of a report: scalars to look at, and all of it as JSON text for `AuditReport.from_json`."""
    checks = {
        check.name: {
            "verdict": check.verdict,
            "gates": check.gates,
            "evidence": check.evidence,
            "cure": check.cure,
            "effect_name": check.effect_name,
            **{
                key: float(getattr(check, key))
                for key in ("effect", "low", "high", "p", "threshold")
                if not isnan(getattr(check, key))
            },
        }
        for check in report.checks
    }
    return {
        "verdict": report.verdict,
        "allows": report.allows,
        "fingerprint": report.fingerprint,
        "checks": checks,
        "json": json.dumps(pipeline.json_ready(report.as_json())),
    }
