"""How much of the differences between perturbations follows the contexts their cells lie in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._ratio import Ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ContextShare", "context_share", "share_of_parts"]

_MAX_DIRECTIONS = 20
_N_FOLDS = 20
_N_COMPONENTS = 50


@dataclass(frozen=True, eq=False, kw_only=True)
class ContextShare:
    """Result of `context_share`.

    Parameters
    ----------
    ratio
        Adjusted share of the squared differences between perturbations.
    p
        Under context mixes dealt anew among perturbations, on the 50 leading components of Δ.
    p_attainable
        Smallest p-value there could be.
    n_directions
        Directions in which the mixes differ that were used.
    covered
        Share of the squared differences between mixes that these directions hold.
    """

    ratio: Ratio
    p: float
    p_attainable: float
    n_directions: int
    covered: float


def context_share(
    delta: NDArray[np.float64], mixes: NDArray[np.float64], *, n_permutations: int, rng: np.random.Generator
) -> ContextShare:
    """(R² − r/(n−1)) / (1 − r/(n−1)), with R² of Δ regressed on the mixes across perturbations; its mean is 0 where they are unrelated.

    At most a fifth as many directions r of the mixes are used as there are perturbations, those in which they differ most.
    Folds of perturbations are left out in turn for the interval.

    Parameters
    ----------
    delta
        `(n_perturbations, n_genes)`.
    mixes
        Share of each context among the cells of a perturbation `(n_perturbations, n_contexts)`.
    n_permutations
        Deals for the p-value.
    rng
        Draws folds and deals.
    """
    n = len(delta)
    centred = delta - delta.mean(axis=0)
    gram = centred @ centred.T
    basis, covered = _directions(mixes)
    folds = rng.permutation(n) % min(_N_FOLDS, n)
    whole = _parts(gram, basis)
    without = []
    for fold in range(int(folds.max()) + 1):
        kept = np.flatnonzero(folds != fold)
        inner = gram[np.ix_(kept, kept)]
        inner = inner - inner.mean(axis=0) - inner.mean(axis=1, keepdims=True) + inner.mean()
        without.append(_parts(inner, _directions(mixes[kept])[0]))
    values, vectors = np.linalg.eigh(gram)
    leading = vectors[:, -_N_COMPONENTS:] * np.sqrt(np.maximum(values[-_N_COMPONENTS:], 0.0))
    observed = float(((basis.T @ leading) ** 2).sum())
    dealt = np.array([((basis[rng.permutation(n)].T @ leading) ** 2).sum() for _ in range(n_permutations)])
    p = float((1 + (dealt >= observed - 1e-9 * abs(observed)).sum()) / (1 + n_permutations))
    return ContextShare(
        ratio=Ratio(whole, np.stack(without)),
        p=p,
        p_attainable=1 / (1 + n_permutations),
        n_directions=basis.shape[1],
        covered=covered,
    )


def _directions(mixes: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Orthonormal columns, orthogonal to 1, of the mixes' leading directions; and the share of their squares these hold."""
    n = len(mixes)
    u, s, _ = np.linalg.svd(mixes - mixes.mean(axis=0), full_matrices=False)
    rank = int((s > 1e-9).sum())
    kept = min(rank, max(n // 5, 1), _MAX_DIRECTIONS)
    covered = 1.0 if rank == 0 else float((s[:kept] ** 2).sum() / (s**2).sum())
    return u[:, :kept], covered


def _parts(gram: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Explained squares beyond chance, and squares that could have been explained `(2,)`."""
    n, r = basis.shape
    total, explained = float(np.trace(gram)), float(np.einsum("ik,ij,jk->", basis, gram, basis, optimize=True))
    chance = r / (n - 1)
    return np.array([explained - chance * total, (1 - chance) * total])


def share_of_parts(part: NDArray[np.float64], whole: NDArray[np.float64], *, rng: np.random.Generator) -> Ratio:
    """Σ_p part_p / Σ_p whole_p, with folds of perturbations left out in turn; both `(n_perturbations,)`."""
    n_folds = min(_N_FOLDS, len(part))
    folds = rng.permutation(len(part)) % n_folds
    parts = np.stack([part, whole], axis=1)
    return Ratio(parts.mean(axis=0), np.stack([parts[folds != fold].mean(axis=0) for fold in range(n_folds)]))
