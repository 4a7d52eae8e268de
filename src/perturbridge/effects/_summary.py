"""What a fit chose and how well it does on left-out rows: as plain JSON types, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._design import Design
    from ._intervals import Radii
    from ._problem import Problem
    from ._solve import Mix, Solved
    from ._source_kernel import SourceKernel
    from ._target_gene import TargetGene

__all__ = ["report_of", "summary_of"]


def report_of(
    problem: Problem,
    kernels: tuple[SourceKernel, ...],
    mix: Mix,
    *,
    solved: Solved,
    target: TargetGene,
    radii: Mapping[str, Radii],
    n_anchors: int,
) -> dict[str, Any]:
    """Lay out what was chosen, in plain JSON types."""
    design = problem.design
    combinations = int((design.n_genes_each > 1).sum())
    mean_only = not np.isfinite(solved.alpha) or solved.shrinkage.is_zero
    return {
        "alpha": None if np.isinf(solved.alpha) else solved.alpha,
        "loo_r2": solved.shrinkage.loo_r2,
        "shrink": solved.shrinkage.factor,
        "shrink_by_direction": [float(f) for f in solved.shrinkage.factors],
        "is_mean_only": bool(mean_only),
        "n_perturbations": len(design.perturbations),
        "n_combinations": combinations,
        "n_left_out_together": int(sum(len(rows) for rows in problem.groups)),
        "combinations": "gene effects fitted jointly"
        if combinations
        else "sum of measured or predicted single effects",
        "own_effect_share": mix.own,
        "interactions": {name: float(share) for name, share in mix.interactions.items()},
        "row_weights": "equal" if problem.weights is None else "1 / (spread + sampling variance)",
        "target_gene": {"kind": target.kind, "value": target.value, "n_targets": target.n_targets},
        "intervals": {name: {"n_rows": r.n_rows, "levels": list(r.levels)} for name, r in radii.items()},
        "n_anchors": n_anchors,
        "sources": [_source_report(kernel, share, design) for kernel, share in zip(kernels, mix.shares, strict=True)],
    }


def _source_report(kernel: SourceKernel, share: float, design: Design) -> dict[str, Any]:
    found = kernel.features.source.locate(design.genes).found
    missing = [gene for gene, there in zip(design.genes, found, strict=True) if not there]
    return {
        "name": kernel.features.source.name,
        "share": share,
        "kernel": kernel.kind,
        "bandwidth": kernel.bandwidth if kernel.kind == "rbf" else None,
        "n_genes": len(design.genes),
        "n_with_vector": int(found.sum()),
        "missing": missing[:20],
    }


def summary_of(report: Mapping[str, Any], *, name: str) -> str:
    """Say in a dozen lines what the model is made of."""
    lines = [
        f"{name}: {report['n_perturbations']} training perturbations, {report['n_combinations']} of them combinations"
    ]
    if report["is_mean_only"]:
        lines.append("  prediction      the training mean: left-out rows do not agree with the embeddings")
    else:
        lines.append(f"  left-out R2     {report['loo_r2']:.3f} (0: the training mean, 1: perfect)")
        lines.append(f"  penalty         {report['alpha']:.3g}, deviation from the mean kept by {report['shrink']:.2f}")
    if report["shrink_by_direction"]:
        kept = report["shrink_by_direction"]
        lines.append(
            f"  by direction    {len(kept)} principal directions kept by {min(kept):.2f} to {max(kept):.2f} each"
        )
    for source in report["sources"]:
        kernel = source["kernel"] if source["bandwidth"] is None else f"rbf {source['bandwidth']:g}"
        lines.append(
            f"  source          {source['name']}: share {source['share']:.3f}, {kernel}, "
            f"{source['n_with_vector']} of {source['n_genes']} genes have a vector; "
            f"{' '.join(part for part in source['leakage'].values() if part)}"
        )
    if report["n_combinations"]:
        used = [f"{kind} {share:.3g}" for kind, share in report["interactions"].items() if share > 0]
        lines.append(f"  own effects     share {report['own_effect_share']:.3f}")
        lines.append(f"  interactions    {', '.join(used) or 'none: left-out combinations do not call for any'}")
    target = report["target_gene"]
    told = {"fold": "times {:.3g} of its expression", "shift": "{:+.3g} log1p-CP10k", "none": "as any other gene"}
    lines.append(f"  target gene     {told[target['kind']].format(target['value'])} ({target['n_targets']} measured)")
    lines.append(f"  row weights     {report['row_weights']}")
    for kind, interval in report["intervals"].items():
        levels = ", ".join(f"{100 * level:g} %" for level in interval["levels"]) or "too few rows for any"
        lines.append(f"  intervals       {kind}: {levels} from {interval['n_rows']} left-out rows")
    return "\n".join(lines)
