from __future__ import annotations

import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.screens import open_source, read_screen


def test_norman(data_dir):
    screen = read_screen(data_dir / "screens" / "norman2019_k562_crispra.h5ad")
    assert (screen.n_cells, screen.n_genes) == (3375, 500)
    assert sum(p.is_single for p in screen.perturbations) == 18
    assert len(screen.perturbations) == 33
    assert screen.control_labels == ("control",)
    assert (screen.perturbation_codes == -1).sum() == 100
    assert screen.context.column == "gemgroup"
    assert (screen.normalization.kind, screen.normalization.place) == ("counts", "layers/counts")
    assert [f.code for f in screen.findings] == ["matrices_differ"]
    assert "'perturbation' says the same" in screen.explanation[0]
    with pytest.raises(DataError, match=r"""Say x_is="log1p", or place='layers/counts', which holds counts"""):
        read_screen(screen.source.path, place="X", x_is="counts")
    for preset in ("norman", "scperturb"):
        other = read_screen(screen.source.path, preset=preset)
        assert other.perturbations == screen.perturbations


def test_papalexi(data_dir):
    screen = read_screen(data_dir / "screens" / "papalexi2021_thp1_eccite.h5ad")
    assert (screen.n_cells, screen.n_genes, len(screen.perturbations)) == (20729, 299, 25)
    assert screen.perturbation_column == "target"
    assert screen.context.column == screen.sample.column == "bio_rep"
    assert screen.normalization.kind == "counts"
    assert (screen.perturbation_codes == -1).sum() == 2386


def test_adamson(data_dir):
    screen = read_screen(data_dir / "screens" / "adamson2016_mini.h5ad")
    assert (screen.n_cells, screen.n_genes, len(screen.perturbations)) == (320, 160, 10)
    assert "HSPA5" in screen.genes
    assert screen.gene_ids[screen.genes.index("GBF1")] == "ENSG00000107862"
    assert (screen.normalization.kind, screen.context) == ("log1p", None)
    assert [f.code for f in screen.findings] == ["gears_adamson_controls"]
    assert [str(p) for p in read_screen(screen.source.path, preset="gears").perturbations] == [
        str(p) for p in screen.perturbations
    ]


def test_rows_of_real_files_are_those_anndata_reads(data_dir):
    from anndata import read_h5ad

    for path in sorted((data_dir / "screens").glob("*.h5ad")):
        screen = read_screen(path, place="X")
        x = read_h5ad(path).X
        for start, stop in ((0, 1), (100, 163), (screen.n_cells - 7, screen.n_cells)):
            chunk = screen.source.read_rows(start, stop)
            row = x[start:stop].tocsr()
            row.sort_indices()
            np.testing.assert_array_equal(chunk.indptr, row.indptr)
            np.testing.assert_array_equal(chunk.indices, row.indices)
            np.testing.assert_array_equal(chunk.data, row.data)


def test_a_source_can_be_opened_by_path_and_place(make_adata, write_h5ad):
    screen = read_screen(write_h5ad(make_adata()))
    again = open_source(screen.source.path, screen.normalization.place)
    np.testing.assert_array_equal(again.read_rows(5, 9).data, screen.source.read_rows(5, 9).data)
    with pytest.raises(DataError, match=r"place is 'raw/X'. Use one of 'X'"):
        open_source(screen.source.path, "raw/X")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """200,000 cells x 8,000 genes with 30 million values, most of them in chunks that were never written."""
    path = tmp_path_factory.mktemp("large") / "large.h5ad"
    n_cells, n_genes, per_cell = 200_000, 8_000, 150
    with h5py.File(path, "w") as file:
        x = file.create_group("X")
        x.attrs["encoding-type"], x.attrs["shape"] = "csr_matrix", (n_cells, n_genes)
        x["indptr"] = np.arange(n_cells + 1, dtype=np.int64) * per_cell
        x["indices"] = np.tile(np.arange(per_cell, dtype=np.int32), n_cells)
        x.create_dataset("data", shape=(n_cells * per_cell,), dtype="f4", fillvalue=1.0)
        obs = file.create_group("obs")
        obs.attrs["_index"] = "_index"
        obs["_index"] = np.array([b"c%06d" % i for i in range(n_cells)])
        for name, labels in (
            ("gene", [b"non-targeting", *(b"P%d" % i for i in range(999))]),
            ("gem_group", [b"%d" % i for i in range(48)]),
        ):
            column = obs.create_group(name)
            column["categories"] = labels
            column["codes"] = np.random.default_rng(len(labels)).integers(len(labels), size=n_cells).astype(np.int16)
        var = file.create_group("var")
        var.attrs["_index"] = "_index"
        var["_index"] = np.array([b"P%d" % i for i in range(n_genes)])
    return path


def test_opening_a_large_file_reads_labels_and_a_sample_only(large, monkeypatch):
    read = []
    plain = h5py.Dataset.__getitem__

    def counted(self, key, *rest, **named):
        got = plain(self, key, *rest, **named)
        if self.name in ("/X/data", "/X/indices"):
            read.append(np.size(got))
        return got

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    started = time.process_time()
    screen = read_screen(large)
    seconds = time.process_time() - started
    assert screen.n_cells == 200_000
    assert len(screen.perturbations) == 999
    assert 0 < sum(read) < 0.01 * 2 * 30_000_000
    assert seconds < 1.0


def test_reading_a_screen_does_not_load_anndata(make_adata, write_h5ad):
    path = write_h5ad(make_adata())
    code = f"import sys; from perturbridge.screens._read import read_screen; read_screen({str(path)!r}); print([m for m in ('anndata', 'torch', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("other", [lambda x: x - 1.0, lambda x: x * np.nan, lambda x: x * 1000])
def test_whatever_is_wrong_with_x_is_no_fault_of_counts_beside_it(make_adata, write_h5ad, other):
    adata = make_adata()
    adata.layers["counts"] = adata.X
    adata.X = other(adata.X.toarray())
    screen = read_screen(write_h5ad(adata))
    assert screen.normalization.place == "layers/counts"
    assert "matrices_differ" not in [f.code for f in screen.findings]
