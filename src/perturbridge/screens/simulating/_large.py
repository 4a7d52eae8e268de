"""A large screen on disk, for benchmarks: realistic in size and layout, not in biology."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from perturbridge._rng import spawn
from perturbridge.screens.saving._h5ad_write import write_csr
from perturbridge.values import RowChunk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Genes", "draw_conditions", "draw_genes", "draw_rows", "names", "write_large"]

CONTROL_SHARE = 0.05
ROWS_PER_CHUNK = 2048
LARGEST_COUNT = 255


def write_large(
    path: str | Path,
    *,
    n_cells: int = 200_000,
    n_genes: int = 8_000,
    n_conditions: int = 2_000,
    n_contexts: int = 48,
    density: float = 0.08,
    seed: int = 0,
) -> None:
    """Write integer counts as a CSR h5ad, a chunk at a time, in bounded memory.

    Cells lie in the order of their contexts, as in the files of large screens; 5 % are controls, the others carry a perturbation at
    random. Genes differ in how often they are seen, cells in depth; a seen count is 1 + a geometric draw. No effect is planted.

    Parameters
    ----------
    path
        The file appears whole or not at all.
    n_cells, n_genes, n_conditions, n_contexts
        Sizes; conditions do not include the control.
    density
        Share of values that are not zero.
    seed
        Draws everything.
    """
    label_rng, value_rng = spawn(seed, 2)
    condition = draw_conditions(n_cells, n_conditions, rng=label_rng)
    obs = pd.DataFrame(index=names("cell", n_cells))
    obs["perturbation"] = pd.Categorical.from_codes(
        condition.tolist(), categories=pd.Index([*names("TARGET", n_conditions), "control"], dtype=object)
    )
    obs["context"] = pd.Categorical.from_codes(
        (np.arange(n_cells) * n_contexts // n_cells).tolist(), categories=names("context", n_contexts)
    )
    var = pd.DataFrame(index=names("GENE", n_genes))
    write_csr(path, _rows(n_cells, n_genes, density=density, rng=value_rng), obs=obs, var=var, uns={})


def draw_conditions(n_cells: int, n_conditions: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a condition for each cell; `n_conditions` is the control, which one in twenty carries."""
    control = rng.random(n_cells) < CONTROL_SHARE
    return np.where(control, n_conditions, rng.integers(n_conditions, size=n_cells))


def names(stem: str, n: int) -> pd.Index[str]:
    width = len(str(n))
    return pd.Index([f"{stem}{i:0{width}d}" for i in range(n)], dtype=object)


def _rows(n_cells: int, n_genes: int, *, density: float, rng: np.random.Generator) -> Iterator[RowChunk]:
    genes = draw_genes(n_genes, density=density, rng=rng)
    for start in range(0, n_cells, ROWS_PER_CHUNK):
        yield draw_rows(start, min(ROWS_PER_CHUNK, n_cells - start), genes=genes, rng=rng)


@dataclass(frozen=True, eq=False)
class Genes:
    """How often each gene is seen, and the counts to pick from.

    Parameters
    ----------
    chance
        Of being seen in a cell of middling depth `(n_genes,)`.
    counts
        Draws of 1 + geometric: picking from them is much faster than drawing each.
    """

    chance: NDArray[np.float32]
    counts: NDArray[np.float32]


def draw_genes(n_genes: int, *, density: float, rng: np.random.Generator) -> Genes:
    """Draw how often each gene is seen, on average in a share `density` of the cells."""
    weight = np.exp(rng.normal(size=n_genes))
    chance = _with_mean(weight, density).astype(np.float32)
    return Genes(chance, np.minimum(rng.geometric(0.55, size=4096), LARGEST_COUNT).astype(np.float32))


def draw_rows(start: int, n_rows: int, *, genes: Genes, rng: np.random.Generator) -> RowChunk:
    """Draw the counts of some cells, the first of which is `start`."""
    n_genes, table = len(genes.chance), genes.counts
    depth = np.exp(0.3 * rng.normal(size=(n_rows, 1)) - 0.045).astype(np.float32)
    seen = rng.random((n_rows, n_genes), dtype=np.float32) < genes.chance * depth
    flat = np.flatnonzero(seen)
    indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(seen, axis=1))])
    data = table[rng.integers(len(table), size=len(flat), dtype=np.uint16)]
    return RowChunk(start, indptr.astype(np.int64), (flat % n_genes).astype(np.int32), data)


def _with_mean(weight: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """Scale weights to probabilities of a given mean, those above 0.9 cut."""
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(weight * middle, 0.9).mean() < mean else (low, middle)
    return np.minimum(weight * low, 0.9)
