"""The table of forms: the same values, labels, genes and effects whatever a screen is kept in."""

from __future__ import annotations

import contextlib
import json
import pickle
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from perturbridge.errors import DataError
from perturbridge.screens import describe_screen, pseudobulk, read_screen

from ._forms import GENES, IDS, MAKERS, N_CELLS, N_GENES, adata, cells, copy_of, values

every_form = pytest.mark.parametrize("form", list(MAKERS))


def rows_of(screen, start=0, stop=None):
    chunk = screen.source.read_rows(start, screen.n_cells if stop is None else stop)
    shape = (chunk.n_rows, screen.n_genes)
    rows = np.repeat(np.arange(chunk.n_rows), np.diff(chunk.indptr))
    assert (np.diff(rows * screen.n_genes + chunk.indices) > 0).all(), "indices rise within each cell"
    return sparse.csr_matrix((chunk.data, chunk.indices, chunk.indptr), shape=shape).toarray()


def codes(finding_holder):
    return [finding.code for finding in finding_holder.findings]


@pytest.fixture(scope="module")
def effects():
    return pseudobulk(read_screen(adata(), context="none"))


@every_form
def test_the_same_screen_in_every_form(form, tmp_path, effects):
    made = MAKERS[form](tmp_path)
    screen = read_screen(made)
    np.testing.assert_array_equal(rows_of(screen), values())
    for start, stop in ((0, 1), (19, 25), (40, 48), (7, 7)):
        np.testing.assert_array_equal(rows_of(screen, start, stop), values()[start:stop])
    assert screen.genes == GENES
    assert screen.normalization.kind == "counts"
    assert [str(name) for name in screen.perturbations] == ["A", "A+B", "B"]
    expected = {"ctrl": -1, "A+ctrl": 0, "A+B": 1, "ctrl+B": 2}
    assert screen.perturbation_codes.tolist() == [expected[label] for label in cells()["condition"]]
    summed = pseudobulk(read_screen(made, context="none"))
    np.testing.assert_array_equal(summed.delta, effects.delta)
    described = describe_screen(screen)
    assert json.loads(json.dumps(described)) == described
    if form not in ("loom", "three files"):
        assert screen.gene_ids == IDS


@every_form
def test_a_part_of_any_form_travels_and_is_read_elsewhere(form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = MAKERS[form](tmp_path)
    # A relative path means something else in the folder of a worker.
    made = made.relative_to(tmp_path) if isinstance(made, Path) else made
    screen = read_screen(made, context="none")
    for start, stop in ((0, N_CELLS), (19, 31), (23, 24), (40, 48), (7, 7)):
        part = screen.part(start, stop)
        with monkeypatch.context() as elsewhere:
            # A worker starts in a folder of its own.
            elsewhere.chdir("/")
            there = pickle.loads(pickle.dumps(part))
            # A hint may name cells that there are not.
            getattr(there.source, "expect", lambda *_: None)(1, N_CELLS + 5)
            np.testing.assert_array_equal(rows_of(there), values()[start:stop])
            if stop - start > 3:
                np.testing.assert_array_equal(rows_of(there, 1, 3), values()[start + 1 : start + 3])
            twice = there.part(0, min(2, stop - start))
            np.testing.assert_array_equal(rows_of(twice), values()[start : min(start + 2, stop)])
        ends = part.source.row_ends()
        assert ends is None or len(ends) == stop - start
        assert ends is None or stop == start or int(ends[-1]) >= np.count_nonzero(values()[start:stop])
        np.testing.assert_array_equal(part.perturbation_codes, screen.perturbation_codes[start:stop])


def test_features_that_are_not_genes_are_counted(tmp_path):
    screen = read_screen(MAKERS["10x h5 with guides"](tmp_path))
    (finding,) = [f for f in screen.findings if f.code == "other_features"]
    assert (finding.count, finding.example) == (2, "CRISPR Guide Capture")
    assert screen.context.column == "gem_group"
    assert screen.context.categories == ("1", "2")


def test_a_10x_matrix_without_labels_says_what_to_pass(tmp_path):
    path = MAKERS["10x h5 of version 3"](tmp_path)
    (tmp_path / "protospacer_calls_per_cell.csv").unlink()
    with pytest.raises(DataError, match=r"Pass a table of the cells .*--cells TABLE"):
        read_screen(path)
    table = cells().rename_axis("barcode").reset_index()
    table["barcode"] = table["barcode"].str.partition("-")[0]
    table.iloc[:40].to_csv(tmp_path / "labels.tsv", sep="\t", index=False)
    screen = read_screen(path, cells=tmp_path / "labels.tsv")
    assert (screen.perturbation_codes[:40] == read_screen(adata()).perturbation_codes[:40]).all()
    assert (screen.perturbation_codes[40:] == -2).all()
    (finding,) = [f for f in screen.findings if f.code == "cell_table"]
    assert (finding.level, finding.count) == ("warning", 8)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_with_a_row_per_guide_joins_the_guides_of_a_cell(tmp_path, form):
    path = MAKERS["10x h5 of version 3"](tmp_path)
    rows = [(b, guide) for b, label in cells()["condition"].items() for guide in label.split("+")]
    table = pd.DataFrame(rows, columns=["cell", "guide"])
    target = tmp_path / f"long.{form}"
    table.to_csv(target, index=False) if form == "csv" else table.to_parquet(target)
    screen = read_screen(path, cells=target)
    np.testing.assert_array_equal(screen.perturbation_codes, read_screen(adata()).perturbation_codes)
    assert "several_rows_per_cell" in codes(screen)


def test_a_table_of_other_cells_is_refused(tmp_path):
    path = MAKERS["10x h5 of version 3"](tmp_path)
    pd.DataFrame({"barcode": ["X1", "X2"], "gene": ["A", "ctrl"]}).to_csv(tmp_path / "other.csv")
    with pytest.raises(DataError, match=r"No column .* holds the names of the cells: 0% match at best"):
        read_screen(path, cells=tmp_path / "other.csv")


def test_plates_with_other_genes_columns_and_repeated_barcodes(tmp_path):
    one, two = adata()[:24].copy(), adata()[24:].copy()
    two.obs_names = one.obs_names
    two.obs["only_here"] = "x"
    del one.obs["gem_group"], two.obs["gem_group"]
    two = two[:, 1:].copy()
    for name, plate in (("one", one), ("two", two)):
        plate.write_h5ad(tmp_path / f"{name}.h5ad")
    screen = read_screen(tmp_path)
    found = {f.code: f for f in screen.findings}
    assert screen.genes == GENES[1:]
    assert (found["genes_not_in_all_files"].count, found["genes_not_in_all_files"].example) == (1, "A")
    assert found["repeated_cell_names"].count == 24
    assert found["columns_not_in_all_files"].example == "only_here"
    np.testing.assert_array_equal(rows_of(screen), values()[:, 1:])
    assert screen.source.locate(30, 0).startswith("cell 'AAAC0006-1' (row 6), gene 'B' of ")
    assert read_screen(tmp_path, context="file").context.categories == ("one", "two")


def test_plates_that_number_their_batches_alike_leave_the_choice_to_the_user(tmp_path):
    for name in ("one", "two"):
        adata().write_h5ad(tmp_path / f"{name}.h5ad")
    with pytest.raises(DataError, match=r"cross each other.*context='gem_group,file'"):
        read_screen(tmp_path)
    assert len(read_screen(tmp_path, context="gem_group,file").context.categories) == 4


def test_files_under_other_names_or_scales_are_no_one_screen(tmp_path):
    adata().write_h5ad(tmp_path / "a.h5ad")
    adata(index=IDS).write_h5ad(tmp_path / "b.h5ad")
    with pytest.raises(DataError, match=r"share 0 of 8 gene names"):
        read_screen(tmp_path)
    other = adata()
    other.X = np.log1p(values() / values().sum(axis=1, keepdims=True) * 1e4)
    other.write_h5ad(tmp_path / "b.h5ad")
    with pytest.raises(DataError, match=r"X of '.*b\.h5ad' holds log1p values and that of '.*a\.h5ad' counts values"):
        read_screen(tmp_path)
    with pytest.raises(DataError, match="No file matches"):
        read_screen(tmp_path / "*.zarr")


def test_a_dense_file_larger_than_memory_is_read_by_cell(tmp_path):
    """Like the genome-wide screens that are deposited dense: 66 GB claimed, a chunk per 100 cells, most never written."""
    path = tmp_path / "dense.h5ad"
    n_cells, n_genes = 2_000_000, 8_248
    with h5py.File(path, "w") as file:
        x = file.create_dataset("X", shape=(n_cells, n_genes), dtype="f4", chunks=(100, n_genes), compression="gzip")
        x[:1000] = np.random.default_rng(1).poisson(1, (1000, n_genes))
        # The rest of what such a file would hold.
        file.create_dataset("uns/pad", data=np.random.default_rng(2).integers(256, size=34_000_000, dtype=np.uint8))
        for table, names in (("obs", [f"c{i}" for i in range(1000)]), ("var", [f"P{i}" for i in range(n_genes)])):
            group = file.create_group(table)
            group.attrs["_index"] = "_index"
            group.create_dataset("_index", shape=(n_cells if table == "obs" else n_genes,), dtype="S7")
            group["_index"][: len(names)] = np.array(names, dtype="S")
        column = file["obs"].create_group("gene")
        column["categories"] = [b"non-targeting", b"P1", b"P2"]
        column["codes"] = (np.arange(n_cells) % 3).astype(np.int8)
    tracemalloc.start()
    screen = read_screen(path)
    chunk = screen.source.read_rows(500, 600)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert screen.n_cells == n_cells
    assert len(chunk.data) > 0
    assert peak < 400e6


@pytest.mark.parametrize("form", ["zarr 2", "zarr 3", "10x h5 of version 3", "10x folder of version 3", "loom"])
def test_damage_ends_in_an_error_of_ours(form, tmp_path):
    (tmp_path / "made").mkdir()
    made = MAKERS[form](tmp_path / "made")
    rng = np.random.default_rng(4)
    for turn in range(12):
        broken = copy_of(made, tmp_path / f"{turn}{made.suffix}")
        files = sorted(
            f for f in ([broken] if broken.is_file() else broken.rglob("*")) if f.is_file() and f.stat().st_size
        )
        file = files[int(rng.integers(len(files)))]
        data = bytearray(file.read_bytes())
        if turn % 3 == 0:
            data = data[: len(data) // 2]
        else:
            for at in rng.integers(len(data), size=max(len(data) // 50, 4)):
                data[at] ^= int(rng.integers(1, 256))
        file.write_bytes(bytes(data))
        with contextlib.suppress(DataError):
            rows_of(read_screen(broken, control="ctrl" if "10x" not in form else None))


def test_a_zarr_array_that_claims_more_than_its_chunks_hold_is_refused(tmp_path):
    store = MAKERS["zarr 3 dense"](tmp_path)
    top = json.loads((store / "zarr.json").read_text())
    (store / "zarr.json").write_text(json.dumps({k: v for k, v in top.items() if k != "consolidated_metadata"}))
    meta = store / "X" / "zarr.json"
    told = json.loads(meta.read_text())
    told["shape"] = [N_CELLS, 2**40]
    meta.write_text(json.dumps(told))
    with pytest.raises(DataError, match=r"claims .* GB"):
        read_screen(store)
    told["shape"] = [N_CELLS, N_GENES]
    told["chunk_grid"]["configuration"]["chunk_shape"] = [2**20, 2**20]
    meta.write_text(json.dumps(told))
    with pytest.raises(DataError, match=r"pieces of .* GiB"):
        read_screen(store)
