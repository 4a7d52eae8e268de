"""Small screens for the tests of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from anndata import AnnData

LABELS = ("ctrl", "A+ctrl", "ctrl+B", "A+B")


def small_counts(n_cells: int = 48, n_genes: int = 12, *, seed: int = 0) -> np.ndarray:
    """Return counts (n_cells, n_genes) with about half zeros and no empty cell."""
    counts = np.random.default_rng(seed).poisson(0.8, size=(n_cells, n_genes)).astype(np.float32)
    counts[:, 0] += 1
    return counts


@pytest.fixture
def make_adata() -> Callable[..., AnnData]:
    """Return a maker of an AnnData with counts in X, labels in `condition` and two gem groups."""

    def make(
        labels: Sequence[Any] = LABELS,
        *,
        column: str = "condition",
        n_cells: int = 48,
        genes: Sequence[str] = ("A", "B", *(f"G{i}" for i in range(10))),
        matrix: Any = None,
        obs: dict[str, Any] | None = None,
        var: dict[str, Any] | None = None,
    ) -> AnnData:
        from anndata import AnnData

        x = sparse.csr_matrix(small_counts(n_cells, len(genes))) if matrix is None else matrix
        table = {column: [labels[i % len(labels)] for i in range(n_cells)]}
        # Each group holds every label: the group changes after each full round of labels.
        groups = {"gem_group": [f"g{i // len(labels) % 2}" for i in range(n_cells)]}
        frame = pd.DataFrame(table | (groups if obs is None else obs), index=[f"cell{i}" for i in range(n_cells)])
        return AnnData(x, obs=frame, var=pd.DataFrame(var or {}, index=list(genes)))

    return make


@pytest.fixture
def write_h5ad(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of h5ad files."""

    def write(adata: AnnData, name: str = "screen.h5ad", **options: Any) -> Path:
        path = tmp_path / name
        adata.write_h5ad(path, **options)
        return path

    return write
