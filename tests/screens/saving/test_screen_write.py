"""A screen as a file, and what comes back from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pytest
from tests.screens._planted import planted

from perturbridge.errors import DataError
from perturbridge.screens import pseudobulk, read_screen, simulate, write_screen
from perturbridge.values import Labels, PerturbationName

if TYPE_CHECKING:
    from pathlib import Path


def test_a_simulated_screen_comes_back_as_it_was(tmp_path: Path) -> None:
    simulated = simulate.screen(n_perturbations=8, n_pairs=5, n_genes=40, n_contexts=12, seed=4)
    write_screen(simulated, tmp_path / "s.h5ad")
    back, screen = read_screen(tmp_path / "s.h5ad"), simulated.screen
    assert back.perturbations == screen.perturbations
    assert back.genes == screen.genes
    assert back.normalization.kind == "counts"
    np.testing.assert_array_equal(back.perturbation_codes, screen.perturbation_codes)
    for grouping in ("context", "sample", "state"):
        mine, theirs = getattr(screen, grouping), getattr(back, grouping)
        assert (mine.column, mine.categories) == (theirs.column, theirs.categories)
        np.testing.assert_array_equal(mine.codes, theirs.codes)
    first, second = pseudobulk(screen), pseudobulk(back)
    assert first.fingerprint == second.fingerprint
    np.testing.assert_array_equal(first.delta, second.delta)


def test_what_anndata_reads(tmp_path: Path) -> None:
    data = planted(0)
    data.contexts[7] = -1
    screen = replace(data.screen(), gene_ids=tuple(f"ENSG{i:011d}" for i in range(30)))
    write_screen(screen, tmp_path / "s.h5ad")
    table = ad.read_h5ad(tmp_path / "s.h5ad")
    np.testing.assert_array_equal(table.X.toarray(), data.values)
    assert list(table.var["gene_ids"]) == list(screen.gene_ids)
    labels = table.obs["perturbation"]
    assert (labels == "control").sum() == (data.codes == -1).sum()
    assert labels.isna().sum() == (data.codes == -2).sum()
    assert (labels == "P03").sum() == (data.codes == 3).sum()
    assert table.obs["context"].isna().sum() == 1
    assert table.X.indptr.dtype == table.X.indices.dtype == np.int32
    with h5py.File(tmp_path / "s.h5ad") as file:
        assert file["obs/perturbation/categories"].attrs["encoding-type"] == "string-array"


def test_log1p_values_say_so(tmp_path: Path) -> None:
    data = planted(0, kind="log1p")
    data.values[:] = np.log1p(data.values)
    write_screen(data.screen(), tmp_path / "s.h5ad")
    assert "log1p" in ad.read_h5ad(tmp_path / "s.h5ad").uns
    assert read_screen(tmp_path / "s.h5ad").normalization.kind == "log1p"


def test_rows_are_written_in_order_across_chunks(tmp_path: Path) -> None:
    data = planted(0, n_cells=9000, n_genes=5)
    write_screen(data.screen(), tmp_path / "s.h5ad")
    np.testing.assert_array_equal(ad.read_h5ad(tmp_path / "s.h5ad").X.toarray(), data.values)


def test_a_gene_called_control(tmp_path: Path) -> None:
    screen = planted(0).screen()
    named = replace(screen, perturbations=tuple(sorted([*screen.perturbations[1:], PerturbationName.of(["control"])])))
    with pytest.raises(DataError, match="A perturbation is called 'control'"):
        write_screen(named, tmp_path / "s.h5ad")
    assert not list(tmp_path.iterdir())


def test_names_that_cannot_be_stored(tmp_path: Path) -> None:
    screen = planted(0).screen()
    screen = replace(screen, context=Labels("c", ("a\0b",), np.zeros(900, dtype=np.int32)))
    with pytest.raises(DataError, match="NUL"):
        write_screen(screen, tmp_path / "s.h5ad")
    assert not list(tmp_path.iterdir())
