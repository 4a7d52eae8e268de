"""Gene sets that a predicted effect moves as a whole, by gseapy, offline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from perturbridge.values import Prediction

__all__ = ["enrich"]

# A weight as Enrichr writes it behind each gene.
_WEIGHT = re.compile(r",-?\d+(\.\d+)?$")


def enrich(
    prediction: Prediction,
    gene_sets: str | Path | Mapping[str, Sequence[str]],
    *,
    permutations: int = 1000,
    min_size: int = 10,
    max_size: int = 500,
    without_targets: bool = True,
    seed: int = 0,
) -> pd.DataFrame:
    """Rank genes by predicted Δ and test each set for genes that lie together (GSEA prerank of gseapy).

    The p-values come from permuting genes, which are not independent of one another, and say nothing about how sure Δ is: they rank
    sets, and a set found here is a hypothesis. Genes whose Δ is exactly 0 in every row, as of genes that no cell expresses, are not ranked. Needs `pip install perturbridge[enrichment]`; nothing is downloaded.

    Parameters
    ----------
    prediction
        Rows to test, one by one.
    gene_sets
        A GMT file, or set name ▸ genes.
    permutations
        Of the genes.
    min_size, max_size
        Sets with fewer or more measured genes are left out.
    without_targets
        Leave the perturbed genes themselves out of the ranking.
    seed
        Draws the permutations.

    Returns
    -------
    DataFrame
        `perturbation`, `gene_set`, `n_genes` (measured), `es` and `nes` (positive: up), `p`, `fdr`, `leading` (genes joined by `;`).

    Raises
    ------
    DataError
        If gseapy is not installed, the file holds no set, or none has enough measured genes.
    """
    try:
        import gseapy
    except ImportError as error:
        problem = "Gene-set enrichment needs gseapy, which is not installed."
        raise DataError(problem, cure="pip install 'perturbridge[enrichment]'") from error
    import pandas as pd

    sets = _read_gmt(Path(gene_sets)) if isinstance(gene_sets, str | Path) else dict(gene_sets)
    # A gene without a predicted change in any row (never counted, as a rule) has no rank among the others.
    still = {
        gene
        for gene, moves in zip(prediction.genes, np.any(prediction.delta != 0, axis=0).tolist(), strict=True)
        if not moves
    }
    measured = set(prediction.genes) - still
    inside = {name: sorted(measured.intersection(genes)) for name, genes in sets.items()}
    tested = {name: genes for name, genes in inside.items() if min_size <= len(genes) <= max_size}
    if not measured:
        problem = (
            f"The predicted effect of {prediction.perturbations[0]} is zero in every gene, so genes cannot be ranked."
        )
        raise DataError(problem, cure="Ask for perturbations with a predicted effect.")
    if not tested:
        largest = max((len(genes) for genes in inside.values()), default=0)
        problem = f"None of {len(sets)} gene sets has {min_size} to {max_size} of the {len(measured)} measured genes; the largest has {largest}."
        raise DataError(problem, cure="Lower min_size, or bring both to one kind of gene name.")
    tables = []
    for name, delta in zip(prediction.perturbations, prediction.delta, strict=True):
        ranked = pd.Series(delta, index=list(prediction.genes)).drop(sorted(still))
        if without_targets:
            ranked = ranked.drop([gene for gene in name.genes if gene in measured])
        if not ranked.any():
            problem = f"The predicted effect of {name} is zero in every gene, so genes cannot be ranked."
            raise DataError(problem, cure="Ask for perturbations with a predicted effect.")
        found = gseapy.prerank(
            rnk=ranked.sort_values(ascending=False, kind="stable"),
            gene_sets=tested,
            min_size=1,
            max_size=len(measured),
            permutation_num=permutations,
            outdir=None,
            no_plot=True,
            seed=seed,
            threads=1,
            verbose=False,
        ).res2d
        tables.append(
            pd.DataFrame(
                {
                    "perturbation": str(name),
                    "gene_set": found["Term"].astype(str),
                    "n_genes": [len(tested[term]) for term in found["Term"]],
                    "es": found["ES"].astype(float),
                    "nes": found["NES"].astype(float),
                    "p": found["NOM p-val"].astype(float),
                    "fdr": found["FDR q-val"].astype(float),
                    "leading": found["Lead_genes"].astype(str),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _read_gmt(path: Path) -> dict[str, list[str]]:
    """Read set name, description and genes, separated by tabs, a set a line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{path} cannot be read as text: {error}."
        raise DataError(problem, cure="Pass a GMT file: name, description and genes, separated by tabs.") from error
    parts = [line.split("\t") for line in lines if line.strip()]
    sets = {cells[0]: [_WEIGHT.sub("", gene.strip()) for gene in cells[2:] if gene.strip()] for cells in parts}
    if not any(sets.values()):
        problem = f"{path} holds no gene set in {len(parts)} lines."
        raise DataError(problem, cure="Pass a GMT file: name, description and genes, separated by tabs.")
    return sets
