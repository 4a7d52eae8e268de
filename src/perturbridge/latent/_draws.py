"""Draws from a fitted model, and what can be said from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import FitError

from ._differential import DifferentialExpression, differential
from ._generate import new_cells, posterior_samples, prior_z
from ._rows import as_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import PerturbationName, Screen

    from ._model import LatentModel

__all__ = ["differential_expression", "sample_at", "sample_cells", "sample_posterior"]


def differential_expression(
    model: LatentModel,
    screen: Screen,
    *,
    first: ArrayLike,
    second: ArrayLike,
    delta: float = 0.25,
    fdr: float = 0.05,
    seed: int = 0,
) -> DifferentialExpression:
    """Compare two groups of cells by posterior samples of their expression rates.

    Parameters
    ----------
    model
        A fitted one.
    screen
        Cells.
    first, second
        Masks `(n_cells,)` or row numbers.
    delta
        Smallest |log2 fold change| that counts.
    fdr
        Expected share of false discoveries among the significant genes.
    seed
        Draws the samples.

    Returns
    -------
    DifferentialExpression
        One row per gene.
    """
    groups = [model.open(screen, as_rows(rows, n_cells=screen.n_cells)) for rows in (first, second)]
    return differential(*groups, delta=delta, fdr=fdr, seed=seed)


def sample_cells(
    model: LatentModel,
    n_cells: int,
    *,
    like: ArrayLike | None = None,
    context: str | None = None,
    perturbation: str | PerturbationName | None = None,
    label: str | None = None,
    library_size: float = 1e4,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Draw expression of new cells: z from the prior, or from among posterior draws `like`, then x from p(x | z, l).

    Parameters
    ----------
    model
        A fitted one.
    n_cells
        How many.
    like
        z of known cells `(n_known, n_latent or n_dims)`, from `posterior` or `encode`: the aggregate posterior.
    context, perturbation, label
        Factors that are held fixed.
    library_size
        Counts per cell.
    seed
        Draws everything.

    Returns
    -------
    ndarray
        Counts `(n_cells, n_genes)`; log1p values for the Gaussian.

    Raises
    ------
    FitError
        If a factor is unknown, or `label` is given together with `like`.
    """
    if like is not None and label is not None:
        problem = "A label fixes the prior, and like= replaces it."
        raise FitError(problem, cure="Pass like= alone, with the z of cells of that label.")
    if like is None:
        z = prior_z(model.fitted_, n_cells, seed=seed, label=label)
    else:
        known = np.asarray(like, dtype=np.float32)
        z = known[np.random.default_rng((12, seed)).integers(len(known), size=n_cells)]
    return new_cells(model.fitted_, z, context=context, perturbation=perturbation, library_size=library_size, seed=seed)


def sample_posterior(model: LatentModel, screen: Screen, *, n_samples: int = 1, seed: int = 0) -> NDArray[np.float32]:
    """Draw z from q(z | x), all columns `(n_samples, n_cells, n_dims)`.

    Parameters
    ----------
    model
        A fitted one.
    screen
        Cells.
    n_samples, seed
        How many draws of each cell, and what draws them.
    """
    return posterior_samples(model.open(screen), n_samples, seed=seed)


def sample_at(
    model: LatentModel,
    z: ArrayLike,
    *,
    context: str | None = None,
    library_size: float | ArrayLike = 1e4,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Draw expression of cells at these coordinates from p(x | z, l), one draw for each `(n_cells, n_genes)`.

    Parameters
    ----------
    model
        A fitted one.
    z
        `(n_cells, n_latent or n_dims)`.
    context
        Context to draw in; needed where the model knows several.
    library_size
        Counts per cell, one for all or `(n_cells,)`.
    seed
        Draws the counts.

    Raises
    ------
    FitError
        If the context is unknown, or z has the wrong width.
    """
    array = np.asarray(z, dtype=np.float32)
    return new_cells(model.fitted_, array, context=context, perturbation=None, library_size=library_size, seed=seed)
