"""Did the perturbation hit its gene?"""

from __future__ import annotations

from math import expm1, log2
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from perturbridge.values import Effects

__all__ = ["TargetChange", "target_changes"]

PSEUDO_COUNT = 0.01


class TargetChange(TypedDict):
    """Change of one target gene under one perturbation, in plain JSON types; None where the gene is not measured.

    `control_mean`, `perturbed_mean` and `delta` are in log1p-CP10k, the control mean is that of the perturbation's own contexts.
    """

    perturbation: str
    gene: str
    n_cells: int
    measured: bool
    control_mean: float | None
    perturbed_mean: float | None
    delta: float | None
    log2_fold_change: float | None


def target_changes(effects: Effects) -> list[TargetChange]:
    """log2 fold change = log2((exp(m_p) − 1 + c) / (exp(m_c) − 1 + c)), c = 0.01 counts per 10,000.

    m_p is the mean of the target gene over the perturbed cells, m_c that over the controls of the same contexts, both in
    log1p-CP10k; c, one molecule in a hundred cells of 10,000, keeps a gene that is never seen finite.

    Parameters
    ----------
    effects
        From a screen.

    Returns
    -------
    list
        One record for each perturbation and each of its target genes, in the order of the perturbations. A knock-down is
        negative. Genes are matched by exact name; one that is not among the measured genes is listed with `measured` False.
    """
    column = {gene: j for j, gene in enumerate(effects.genes)}
    matched = effects.matched_control
    records = []
    for i, name in enumerate(effects.perturbations):
        for gene in name.genes:
            j = column.get(gene)
            means = None if j is None else (float(matched[i, j]), float(effects.delta[i, j]))
            records.append(_record(str(name), gene, n_cells=int(effects.n_cells[i]), means=means))
    return records


def _record(perturbation: str, gene: str, *, n_cells: int, means: tuple[float, float] | None) -> TargetChange:
    control, delta = means or (None, None)
    perturbed = control + delta if control is not None and delta is not None else None
    return TargetChange(
        perturbation=perturbation,
        gene=gene,
        n_cells=n_cells,
        measured=means is not None,
        control_mean=control,
        perturbed_mean=perturbed,
        delta=delta,
        log2_fold_change=_log2_ratio(perturbed, control),
    )


def _log2_ratio(perturbed: float | None, control: float | None) -> float | None:
    if perturbed is None or control is None:
        return None
    # A mean of counts is never below zero; rounding may leave one a hair under it.
    return log2((expm1(max(perturbed, 0.0)) + PSEUDO_COUNT) / (expm1(max(control, 0.0)) + PSEUDO_COUNT))
