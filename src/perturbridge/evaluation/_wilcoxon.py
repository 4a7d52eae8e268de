"""Differential expression by ranks: the Wilcoxon rank-sum test of cells, in place of Welch's test of their moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._welch import Contrast, adjust_calls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["contrast_of_ranks", "rank_test"]

_MOST_RANKED = 1 << 22


def contrast_of_ranks(
    change: NDArray[np.float64], cells: Iterable[NDArray[np.floating]], controls: NDArray[np.floating]
) -> Contrast:
    """Test each gene of each perturbation against the controls: U = Σ_ij (1[x_i > y_j] + ½ 1[x_i = y_j]), p from the normal limit.

    Ties and continuity are corrected for, as in pdex and cell-eval2 (scipy.stats.mannwhitneyu). Cells of all contexts are
    ranked together, so a context effect that goes with a perturbation is not taken out; Welch's test matches contexts.

    Parameters
    ----------
    change
        Δ `(n_perturbations, n_genes)`, log1p-CP10k.
    cells
        log1p-CP10k of the cells of each perturbation `(n_cells, n_genes)`, in the order of `change`; read one after the other.
    controls
        Control cells `(n_controls, n_genes)`.

    Returns
    -------
    Contrast
        `size` is |U − mean| over its standard deviation without ties; a gene that is constant in all cells has p = 1.
    """
    size, p = np.zeros(change.shape), np.ones(change.shape)
    for i, own in enumerate(cells):
        size[i], p[i] = rank_test(own, controls)
    return adjust_calls(change, size, p)


def rank_test(
    own: NDArray[np.floating], controls: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Test each gene of one perturbation, as `contrast_of_ranks` does.

    Parameters
    ----------
    own, controls
        log1p-CP10k of its cells and of the controls `(n_cells, n_genes)`.

    Returns
    -------
    tuple
        `size` and `p` `(n_genes,)`; p is not adjusted.
    """
    # One second of loading, which only who asks for ranks should pay.
    from scipy.stats import mannwhitneyu

    n, m, n_genes = len(own), len(controls), own.shape[1]
    size, p = np.zeros(n_genes), np.ones(n_genes)
    # A gene with a single value everywhere has no variance of ranks.
    varies = (own.max(axis=0) != own.min(axis=0)) | (controls.max(axis=0) != controls.min(axis=0))
    varies |= own[0] != controls[0]
    genes = np.flatnonzero(varies)
    # Ranks of all cells in double precision, several times over: some genes at a time.
    step = max(_MOST_RANKED // (n + m), 1)
    for some in (genes[low : low + step] for low in range(0, len(genes), step)):
        found = mannwhitneyu(own[:, some], controls[:, some], axis=0, method="asymptotic")
        p[some] = found.pvalue
        size[some] = np.abs(found.statistic - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12)
    return size, p
