"""Area under the ROC curve over pairs of cells of one group, with each cell's influence on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GroupedAuc", "grouped_auc", "macro_auc"]


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupedAuc:
    """An AUC and what each cell contributes to its deviation.

    Parameters
    ----------
    value
        In [0, 1]; ½ without information; NaN where no group holds a pair.
    influence
        First-order contribution of each cell `(n_cells,)`; the variance is the sum of their squares, over independent cells.
    n_pairs
        Pairs compared.
    """

    value: float
    influence: NDArray[np.float64]
    n_pairs: int

    @property
    def standard_error(self) -> float:
        """√Σ influence², for cells that are independent of each other and of the scores' making."""
        return float(np.sqrt((self.influence**2).sum()))

    def clustered_error(self, clusters: NDArray[np.int64]) -> float:
        """√(G/(G−1) · Σ_g (Σ_{i in g} influence_i)²), for independent clusters g of cells."""
        totals = np.bincount(clusters, weights=self.influence)[np.unique(clusters)]
        n = len(totals)
        return float(np.sqrt(n / (n - 1) * (totals**2).sum())) if n > 1 else float("nan")


def grouped_auc(scores: NDArray[np.floating], positive: NDArray[np.bool_], groups: NDArray[np.integer]) -> GroupedAuc:
    """AUC = Σ_g #{i positive, j negative in g: s_i > s_j, ties ½} / Σ_g P_g N_g.

    Pairs are compared inside a group alone, so anything that is constant in a group (a stratum's mean, a fold's intercept) has no
    part in it, and the expectation is exactly ½ when labels are exchangeable inside groups, whatever made the scores. Influence is
    the Hájek projection, as in DeLong et al. (1988), around the common AUC, so that groups of one cell carry variance too.

    Parameters
    ----------
    scores
        `(n_cells,)`, larger for the positive.
    positive
        `(n_cells,)`.
    groups
        Codes `(n_cells,)`.
    """
    n = len(scores)
    order = np.lexsort((scores, groups))
    g, s, pos = groups[order], scores[order], positive[order]
    new_group = np.r_[True, g[1:] != g[:-1]][:n]
    new_block = new_group | np.r_[True, s[1:] != s[:-1]][:n]
    block = np.cumsum(new_block) - 1
    group = np.cumsum(new_group) - 1
    cum_pos, cum_neg = np.cumsum(pos), np.cumsum(~pos)
    starts = np.flatnonzero(new_group)
    pos_in_block, neg_in_block = np.bincount(block, weights=pos), np.bincount(block, weights=~pos)
    n_pos, n_neg = np.bincount(group, weights=pos), np.bincount(group, weights=~pos)
    base_pos: NDArray[np.int64] = np.asarray((cum_pos[starts] - pos[starts])[group])
    base_neg: NDArray[np.int64] = np.asarray((cum_neg[starts] - ~pos[starts])[group])
    first = np.flatnonzero(new_block)[block]
    below_neg = (cum_neg[first] - ~pos[first]) - base_neg + 0.5 * neg_in_block[block]
    below_pos = (cum_pos[first] - pos[first]) - base_pos + 0.5 * pos_in_block[block]
    above_pos = n_pos[group] - below_pos
    n_pairs = float((n_pos * n_neg).sum())
    influence = np.zeros(n)
    if n_pairs == 0:
        return GroupedAuc(value=float("nan"), influence=influence, n_pairs=0)
    value = float(below_neg[pos].sum() / n_pairs)
    own = np.where(pos, below_neg - value * n_neg[group], above_pos - value * n_pos[group])
    influence[order] = own / n_pairs
    return GroupedAuc(value=value, influence=influence, n_pairs=int(n_pairs))


def macro_auc(scores: NDArray[np.floating], codes: NDArray[np.integer], groups: NDArray[np.integer]) -> GroupedAuc:
    """Mean over classes k of the AUC of class k against all others, over pairs of one group; one AUC for two classes.

    Parameters
    ----------
    scores
        One column per class `(n_cells, n_classes)`, such as log-probabilities.
    codes
        Class of each cell `(n_cells,)`.
    groups
        Codes `(n_cells,)`.
    """
    n_classes = scores.shape[1]
    if n_classes == 2:
        return grouped_auc(scores[:, 1] - scores[:, 0], codes == 1, groups)
    each = [grouped_auc(scores[:, k], codes == k, groups) for k in range(n_classes)]
    defined = [auc for auc in each if auc.n_pairs]
    if not defined:
        return GroupedAuc(value=float("nan"), influence=np.zeros(len(codes)), n_pairs=0)
    return GroupedAuc(
        value=float(np.mean([auc.value for auc in defined])),
        influence=np.mean([auc.influence for auc in defined], axis=0),
        n_pairs=sum(auc.n_pairs for auc in defined),
    )
