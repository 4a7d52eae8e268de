"""Text matrices of several plates: the same cells whatever memory is allowed, and no more reading than it takes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse

from perturbridge.errors import DataError
from perturbridge.screens import pseudobulk, read_screen
from perturbridge.screens.files import _bridge
from perturbridge.screens.files._market import read_market
from perturbridge.screens.files._open import open_container

N_PLATES, N_CELLS, N_GENES = 4, 30, 12


def plates(folder, *, n_cells=N_CELLS, n_genes=N_GENES):
    """Write plates in either orientation and return all counts."""
    rng = np.random.default_rng(0)
    every = []
    for i in range(N_PLATES):
        place = folder / f"plate{i}"
        place.mkdir()
        x = rng.poisson(1, (n_cells, n_genes)) + np.eye(n_cells, n_genes, dtype=int)
        table = {"condition": [("ctrl", "G1+ctrl", "G2+ctrl")[c % 3] for c in range(n_cells)]}
        pd.DataFrame(table, index=[f"p{i}c{c}" for c in range(n_cells)]).to_csv(place / "meta.csv")
        (place / "genes.tsv").write_text("\n".join(f"G{g}" for g in range(n_genes)) + "\n")
        io.mmwrite(place / "X.mtx", sparse.coo_matrix(x.T if i % 2 else x))
        every.append(x)
    return np.concatenate(every)


@pytest.fixture
def reads(monkeypatch):
    """Count how often each text matrix is read."""
    counted = []

    def read(path, **options):
        counted.append(path.parent.name)
        return read_market(path, **options)

    monkeypatch.setattr(_bridge, "read_market", read)
    return counted


def dense(source, step=7):
    rows = []
    for start in range(0, source.shape[0], step):
        chunk = source.read_rows(start, min(start + step, source.shape[0]))
        rows.append(sparse.csr_matrix((chunk.data, chunk.indices, chunk.indptr), (chunk.n_rows, source.shape[1])))
    return sparse.vstack(rows).toarray()


@pytest.mark.parametrize("kept", range(N_PLATES + 1))
def test_what_fits_is_read_once_and_the_rest_once_a_pass(tmp_path, reads, kept):
    wanted = plates(tmp_path)
    size = max(
        m.data.nbytes + m.indices.nbytes + m.indptr.nbytes
        for m in map(sparse.csr_matrix, np.split(wanted.astype("f4"), 4))
    )
    container = open_container(tmp_path, text_budget=kept * (size + 8))
    assert reads == []
    source = container.source("X")
    for turn in (1, 2, 3):
        np.testing.assert_array_equal(dense(source), wanted)
        # One that does not fit, but is the only one, has nobody to make room for.
        others = N_PLATES - kept
        assert len(reads) == kept + (others * turn if others > 1 else others)
    np.testing.assert_array_equal(source.row_ends(), np.cumsum((wanted > 0).sum(axis=1)))
    assert len(reads) == kept + (others * 3 if others > 1 else others)
    said = [finding for finding in container.findings if finding.code == "text_read_again"]
    assert len(said) == (kept * (size + 8) < (wanted > 0).sum() * 8)


def test_memory_is_that_of_one_plate(tmp_path):
    plates(tmp_path, n_cells=400, n_genes=300)
    peaks = {}
    for budget in (0, 2**30):
        source = open_container(tmp_path, text_budget=budget).source("X")
        tracemalloc.start()
        for start in range(0, source.shape[0], 50):
            source.read_rows(start, start + 50)
        peaks[budget] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    one = 400 * 300 * 0.64 * 8
    assert peaks[0] < 4 * one
    assert peaks[2**30] > peaks[0] + 2 * one


def test_effects_are_the_same_and_a_broken_plate_is_named(tmp_path):
    wanted = plates(tmp_path)
    effects = pseudobulk(read_screen(tmp_path, context="file"))
    x = np.log1p(wanted / wanted.sum(axis=1, keepdims=True) * 1e4)
    label, plate = np.arange(len(x)) % N_CELLS % 3, np.arange(len(x)) // N_CELLS
    for row, code in enumerate((1, 2)):
        own = [x[(label == code) & (plate == p)] - x[(label == 0) & (plate == p)].mean(axis=0) for p in range(N_PLATES)]
        np.testing.assert_allclose(effects.delta[row], np.concatenate(own).mean(axis=0), atol=1e-6)
    text = (tmp_path / "plate2" / "X.mtx").read_text()
    (tmp_path / "plate2" / "X.mtx").write_text(text[: len(text) // 2])
    with pytest.raises(DataError, match=r"plate2.*X\.mtx"):
        read_screen(tmp_path, context="file")
