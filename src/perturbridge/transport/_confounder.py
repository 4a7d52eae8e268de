"""A second opinion on a displacement: cells matched only on what no treatment changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from perturbridge.errors import DataError, LeakageError
from perturbridge.values import as_labels, as_names, control_cells

from ._align import choose_cells, optional_labels
from ._kernel import costs, sinkhorn
from ._self_map import self_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import Alignment, Labels, Latent, PerturbationName

__all__ = ["ConfounderMatched", "confounder_matched"]

_FOLDS = 5
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False, kw_only=True)
class ConfounderMatched:
    """Result of `confounder_matched`.

    Parameters
    ----------
    perturbation
        Which.
    controls
        Rows of the latent `(n_controls,)`.
    matched, default
        Displacement of each control when matched on treatment-free coordinates, and that of the alignment `(n_controls, n_dims)`.
    disagreement
        Root mean square of their difference over that of the default; from 0, ∞ where the default moves nothing.
    mean_disagreement
        The same of their means.
    aucs
        Cross-fitted AUC of treatment by each whitened principal component, the larger of all perturbations pooled and this one `(n_components,)`.
    used
        Components that were matched on `(n_components,)`.
    n_covariates
        Declared covariates that were matched on beside them.
    """

    perturbation: str
    controls: NDArray[np.int64]
    matched: NDArray[np.float64]
    default: NDArray[np.float64]
    disagreement: float
    mean_disagreement: float
    aucs: NDArray[np.float64]
    used: NDArray[np.bool_]
    n_covariates: int


def confounder_matched(  # noqa: PLR0913 one keyword for each thing that is known of the cells
    latent: Latent,
    alignment: Alignment,
    perturbation: str | PerturbationName,
    *,
    condition: str | ArrayLike | Labels = "condition",
    control: NDArray[np.bool_] | Sequence[str] | None = None,
    context: str | ArrayLike | Labels | None = None,
    state: str | ArrayLike | Labels | None = None,
    covariates: ArrayLike | None = None,
    tolerated_auc: float = 0.55,
    epsilon: float = 0.2,
) -> ConfounderMatched:
    """Δ(x) = Σ_j P_xj y_j − Σ_j Q_xj x_j, plans P and Q made in coordinates that treatment does not change, barycentres taken in all.

    A sensitivity analysis, not a better answer. Coordinates are whitened principal components of the centred controls from which
    treatment cannot be read (AUC of a component or of its absolute value, its direction learned on other cells, at most
    `tolerated_auc`), and declared covariates in units of their standard deviation. Where an effect depends on them alone, the matched
    Δ has it whatever else the perturbation moves; where it depends on what the perturbation moves, only the default can have it.
    The idea is that of CINEMA-OT (Dong et al. 2023, Nature Methods), with unit variances and the self-plan subtracted.

    Parameters
    ----------
    latent, alignment
        The alignment and the latent it was made of.
    perturbation
        Which.
    condition, control, context, state
        As they were given to `align_latent`.
    covariates
        Of every cell `(n_cells, n_covariates)`, or one.
    tolerated_auc
        In [.5, 1).
    epsilon
        ε in units of the mean cost between two controls in the coordinates that are matched on.

    Returns
    -------
    ConfounderMatched
        Both displacements of every training control, and how far they disagree.

    Raises
    ------
    LeakageError
        If the alignment was made of another latent.
    DataError
        If there is nothing to match on, or a plan did not converge.
    """
    if alignment.fingerprint != latent.fingerprint:
        problem = f"The alignment was made of latent {alignment.fingerprint[:12]}, this is {latent.fingerprint[:12]}."
        raise LeakageError(problem, cure="Pass the latent that was aligned.")
    labels = as_labels("condition", condition, latent)
    contexts, states = optional_labels("context", context, latent), optional_labels("state", state, latent)
    chosen = choose_cells(
        latent,
        labels,
        control_cells(labels, control),
        context=contexts,
        state=states,
        wanted=None,
        drop_unlabelled=True,
    )
    name = as_names([perturbation])[0]
    alignment.report(name)
    at = chosen.perturbations.index(name)
    told = contexts, states if alignment.strata_by == "state" else None
    parts = [
        _covered(latent, alignment, cells, told=told)
        for cells in (chosen.controls, np.concatenate(chosen.perturbed), chosen.perturbed[at])
    ]
    rows = parts[0]
    x, pooled, y = (alignment.centred(latent.z[cells], _names(contexts, cells)) for cells in parts)
    axes = _whitening(x)
    scores = [cells @ axes for cells in (x, pooled, y)]
    aucs = np.maximum(_separation(scores[0], scores[1]), _separation(scores[0], scores[2]))
    used = aucs <= tolerated_auc
    known = _covariates(covariates, latent.n_cells, rows)
    left, right = (np.hstack([scores[i][:, used], known[parts[i]]]) for i in (0, 2))
    if not left.shape[1]:
        problem = f"Treatment can be read from all {len(used)} components (least AUC {aucs.min():.3f}, tolerated {tolerated_auc}), and no covariates were passed."
        raise DataError(problem, cure="Pass covariates=, or raise tolerated_auc.")
    matched = _matched(left, right, x=x, y=y, epsilon=epsilon)
    default = alignment.displacement(
        latent.z[rows], name, context=_names(contexts, rows), state=_names(told[1], rows)
    ).astype(np.float64)
    return ConfounderMatched(
        perturbation=str(name),
        controls=rows,
        matched=matched,
        default=default,
        disagreement=_relative(matched - default, default),
        mean_disagreement=_relative(matched.mean(axis=0) - default.mean(axis=0), default.mean(axis=0)),
        aucs=aucs,
        used=used,
        n_covariates=known.shape[1],
    )


def _names(labels: Labels | None, cells: NDArray[np.int64]) -> list[str] | None:
    return None if labels is None else [labels.categories[code] for code in labels.codes[cells]]


def _covered(
    latent: Latent, alignment: Alignment, cells: NDArray[np.int64], *, told: tuple[Labels | None, Labels | None]
) -> NDArray[np.int64]:
    """Those of the cells that the alignment can place."""
    context, state = (_names(labels, cells) for labels in told)
    inside = cells[alignment.covers(latent.z[cells], context=context, state=state)]
    if len(inside) < 2:
        problem = f"{len(inside)} of {len(cells)} cells lie in contexts and states of the alignment."
        raise DataError(problem, cure="Pass the labels that were given to align_latent.")
    return inside


def _whitening(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axes on which controls have unit variance `(n_dims, n_components)`; those with a millionth of the largest variance are left out."""
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False).reshape(x.shape[1], -1))
    kept = values > 1e-6 * values[-1]
    if not kept.any():
        problem = f"The {len(x)} controls do not differ."
        raise DataError(problem, cure="Pass the latent that was aligned.")
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))


def _separation(controls: NDArray[np.float64], treated: NDArray[np.float64]) -> NDArray[np.float64]:
    """AUC of each coordinate or of its absolute value, whichever is larger; its direction is learned on the other folds."""
    both = np.concatenate([controls, treated])
    is_treated = np.arange(len(both)) >= len(controls)
    fold = np.concatenate([np.arange(len(part)) % _FOLDS for part in (controls, treated)])
    found = np.zeros(both.shape[1])
    for features in (both, np.abs(both)):
        aucs = []
        for k in range(_FOLDS):
            inside, outside = (_auc(features[rows], is_treated[rows]) for rows in (fold == k, fold != k))
            aucs.append(np.where(outside >= 0.5, inside, 1.0 - inside))
        found = np.maximum(found, np.mean(aucs, axis=0))
    return found


def _auc(features: NDArray[np.float64], is_treated: NDArray[np.bool_]) -> NDArray[np.float64]:
    """P(treated > control) + ½ P(equal) of each column; ½ where a side is empty."""
    m, n = int(is_treated.sum()), int((~is_treated).sum())
    if not m or not n:
        return np.full(features.shape[1], 0.5)
    ranks = rankdata(features, axis=0)
    return np.asarray((ranks[is_treated].sum(axis=0) - m * (m + 1) / 2) / (m * n))


def _covariates(given: ArrayLike | None, n_cells: int, controls: NDArray[np.int64]) -> NDArray[np.float64]:
    """Covariates in units of their standard deviation over controls `(n_cells, n_covariates)`."""
    if given is None:
        return np.zeros((n_cells, 0))
    values = np.asarray(given, dtype=np.float64).reshape(len(np.atleast_1d(given)), -1)
    if len(values) != n_cells or not np.isfinite(values).all():
        problem = f"covariates has {len(values)} rows for {n_cells} cells, {int((~np.isfinite(values)).sum())} entries are no numbers."
        raise DataError(problem, cure="Give one finite row per cell of the latent.")
    spread = values[controls].std(axis=0)
    if not spread.all():
        problem = f"Covariate {int(np.argmin(spread))} is the same for all controls."
        raise DataError(problem, cure="Leave it out.")
    return np.asarray((values - values[controls].mean(axis=0)) / spread)


def _matched(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    *,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    epsilon: float,
) -> NDArray[np.float64]:
    """Barycentres of the perturbed cells minus those of the controls `(n_controls, n_dims)`."""
    strength = epsilon * 2.0 * float(left.var(axis=0).sum())
    plan = sinkhorn(costs(left, right), epsilon=strength, tolerance=_TOLERANCE)
    own = self_plan(left, epsilon=strength, tolerance=_TOLERANCE)
    if not (plan.finite and plan.violation <= 10 * _TOLERANCE and own.converged):
        problem = f"The matched plan of {len(left)} controls and {len(right)} perturbed cells did not converge."
        raise DataError(problem, cure="Raise epsilon.")
    score = own.map.potentials - costs(left, left) / strength
    np.fill_diagonal(score, -np.inf)
    weights = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(plan.barycentres(y) - (weights @ x) / weights.sum(axis=1, keepdims=True))


def _relative(gap: NDArray[np.float64], whole: NDArray[np.float64]) -> float:
    length = float((whole**2).sum())
    return float(np.sqrt((gap**2).sum() / length)) if length > 0 else float("inf")
