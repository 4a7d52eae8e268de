"""One small screen in every form in which screens are kept; each maker writes it and returns what `read_screen` is given."""

from __future__ import annotations

import gzip
import shutil
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData, settings
from scipy import io, sparse

N_CELLS, N_GENES = 48, 8
GENES = ("A", "B", *(f"G{i}" for i in range(N_GENES - 2)))
IDS = tuple(f"ENSG{i:011d}" for i in range(N_GENES))
LABELS = ("ctrl", "A+ctrl", "ctrl+B", "A+B")
HERE = Path(__file__).parent


def values() -> np.ndarray:
    """Return counts `(48, 8)`; the loom file in `golden` was written by loompy 3.0.8 from these."""
    x = np.random.default_rng(0).poisson(1, (N_CELLS, N_GENES)).astype("f4")
    x[:, 0] += 1
    return x


def cells() -> pd.DataFrame:
    table = {
        "condition": [LABELS[i % 4] for i in range(N_CELLS)],
        "gem_group": [f"g{i // 4 % 2}" for i in range(N_CELLS)],
    }
    return pd.DataFrame(table, index=[f"AAAC{i:04d}-{1 + i // 24}" for i in range(N_CELLS)])


def adata(layout=sparse.csr_matrix, *, index=GENES) -> AnnData:
    var = pd.DataFrame({"gene_ids": IDS, "gene_name": GENES}, index=list(index))
    return AnnData(layout(values()), obs=cells(), var=var)


def _h5ad(change=lambda a: a, **options):
    def make(folder: Path) -> Path:
        change(adata()).write_h5ad(folder / "s.h5ad", **options)
        return folder / "s.h5ad"

    return make


def _with(**parts):
    def change(a: AnnData) -> AnnData:
        for name, value in parts.items():
            setattr(a, name, value(a))
        return a

    return change


def _counts_in_layer(a: AnnData) -> AnnData:
    a.layers["counts"], a.X = a.X, _logged()
    a.uns["log1p"] = {}
    return a


def _counts_in_raw(a: AnnData) -> AnnData:
    a.raw, a.X = a.copy(), _logged()
    return a


def _logged() -> sparse.csr_matrix:
    x = values()
    return sparse.csr_matrix(np.log1p(x / x.sum(axis=1, keepdims=True) * 1e4))


def _nullable(a: AnnData) -> AnnData:
    a.obs["condition"] = pd.array(a.obs["condition"], dtype="string")
    a.obs["gem_group"] = pd.Categorical(a.obs["gem_group"])
    a.obs["n"] = pd.array([1, None] * (N_CELLS // 2), dtype="Int64")
    return a


def _zarr(version: int, *, sharded: bool = False, zipped: bool = False, layout=sparse.csr_matrix):
    def make(folder: Path) -> Path:
        store = folder / "s.zarr"
        with (
            settings.override(zarr_write_format=version, auto_shard_zarr_v3=sharded),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            adata(layout).write_zarr(store)
        if sharded:
            assert any("sharding_indexed" in file.read_text() for file in store.rglob("zarr.json"))
        if not zipped:
            return store
        with zipfile.ZipFile(folder / "s.zarr.zip", "w") as archive:
            for file in sorted(f for f in store.rglob("*") if f.is_file()):
                archive.write(file, file.relative_to(store))
        return folder / "s.zarr.zip"

    return make


def _features(*, guides: bool) -> tuple[list[str], list[str], list[str], np.ndarray]:
    """Return ids, symbols, types and features x cells; guides are features too, among the genes."""
    ids, names, types = list(IDS), list(GENES), ["Gene Expression"] * N_GENES
    x = values().T
    if guides:
        ids[3:3], names[3:3], types[3:3] = ["A_1", "B_1"], ["A_1", "B_1"], ["CRISPR Guide Capture"] * 2
        x = np.insert(x, [3, 3], [np.full(N_CELLS, 7)], axis=0)
    return ids, names, types, x


def _tenx_h5(version: int, *, guides: bool = False):
    def make(folder: Path) -> Path:
        ids, names, types, x = _features(guides=guides)
        by_cell = sparse.csc_matrix(x.astype(np.int32))
        with h5py.File(folder / "filtered_feature_bc_matrix.h5", "w") as file:
            group = file.create_group("matrix" if version == 3 else "GRCh38")
            group["barcodes"] = np.array(cells().index, dtype="S")
            for part in ("data", "indices", "indptr"):
                group[part] = getattr(by_cell, part)
            group["shape"] = np.array(x.shape, dtype=np.int32)
            if version == 3:
                table = group.create_group("features")
                columns = {"id": ids, "name": names, "feature_type": types, "genome": ["GRCh38"] * len(ids)}
                for name, column in columns.items():
                    table[name] = np.array(column, dtype="S")
            else:
                group["genes"], group["gene_names"] = np.array(ids, dtype="S"), np.array(names, dtype="S")
        _calls().to_csv(folder / "protospacer_calls_per_cell.csv", index=False)
        return folder / "filtered_feature_bc_matrix.h5"

    return make


def _calls() -> pd.DataFrame:
    """Return the guide calls of Cell Ranger, in another order than the cells."""
    guides = {"ctrl": "non-targeting_1", "A+ctrl": "A_1", "ctrl+B": "B_2", "A+B": "A_2|B_1"}
    called = [guides[label] for label in cells()["condition"]]
    table = {"cell_barcode": cells().index, "num_features": 1, "feature_call": called, "num_umis": "9"}
    return pd.DataFrame(table).iloc[::-1]


def _tenx_folder(version: int, *, prefix: str = "", guides: bool = False):
    def make(folder: Path) -> Path:
        ids, names, types, x = _features(guides=guides)
        place = folder / "filtered_feature_bc_matrix"
        place.mkdir()
        columns = [ids, names, types] if version == 3 else [ids, names]
        lines = {
            "features.tsv" if version == 3 else "genes.tsv": ["\t".join(row) for row in zip(*columns, strict=True)],
            "barcodes.tsv": list(cells().index),
        }
        for name, rows in lines.items():
            (place / f"{prefix}{name}").write_text("\n".join(rows) + "\n")
        io.mmwrite(place / f"{prefix}matrix.mtx", sparse.coo_matrix(x.astype(np.int32)))
        if version == 3:
            for file in list(place.iterdir()):
                (place / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
                file.unlink()
        (folder / "crispr_analysis").mkdir()
        _calls().to_csv(folder / "crispr_analysis" / "protospacer_calls_per_cell.csv", index=False)
        return place

    return make


def _outs(folder: Path) -> Path:
    """The output folder of Cell Ranger: the filtered matrix among other HDF5 files."""
    _tenx_h5(3, guides=True)(folder)
    shutil.copy(folder / "filtered_feature_bc_matrix.h5", folder / "raw_feature_bc_matrix.h5")
    with h5py.File(folder / "molecule_info.h5", "w") as file:
        file["barcode_idx"] = [1, 2]
    return folder


def _loom(folder: Path) -> Path:
    packed = HERE / "golden" / "loompy_3_0_8.loom.gz"
    (folder / "s.loom").write_bytes(gzip.decompress(packed.read_bytes()))
    return folder / "s.loom"


def _plates(form: str):
    def make(folder: Path):
        a, paths = adata(), []
        del a.obs["gem_group"]
        for i, (low, high) in enumerate(((0, 20), (20, 24), (24, 48))):
            plate = a[low:high].copy()
            # The second plate lists its genes in another order.
            plate = plate[:, ::-1].copy() if i == 1 else plate
            paths.append(folder / f"plate{i}.h5ad")
            plate.write_h5ad(paths[-1])
        return {"list": paths, "folder": folder, "pattern": str(folder / "plate*.h5ad")}[form]

    return make


def _bridge(folder: Path) -> Path:
    cells().to_csv(folder / "meta.csv")
    (folder / "genes.tsv").write_text("\n".join(GENES) + "\n")
    io.mmwrite(folder / "X.mtx", sparse.coo_matrix(values()))
    return folder


MAKERS = {
    "h5ad by cell": _h5ad(),
    "h5ad by gene": _h5ad(_with(X=lambda a: a.X.tocsc())),
    "h5ad dense": _h5ad(_with(X=lambda a: a.X.toarray())),
    "h5ad gzip": _h5ad(compression="gzip"),
    "h5ad counts in a layer": _h5ad(_counts_in_layer),
    "h5ad counts in raw": _h5ad(_counts_in_raw),
    "h5ad ids as index": _h5ad(lambda a: adata(index=[f"{gene}.7" for gene in IDS])),
    "zarr 2": _zarr(2),
    "zarr 3": _zarr(3),
    "zarr 3 sharded": _zarr(3, sharded=True),
    "zarr 3 dense": _zarr(3, layout=np.asarray),
    "zarr 2 by gene": _zarr(2, layout=sparse.csc_matrix),
    "zarr 3 zip": _zarr(3, zipped=True),
    "10x h5 of version 2": _tenx_h5(2),
    "10x h5 of version 3": _tenx_h5(3),
    "10x h5 with guides": _tenx_h5(3, guides=True),
    "10x folder of version 2": _tenx_folder(2),
    "10x folder of version 3": _tenx_folder(3),
    "10x folder with guides": _tenx_folder(3, guides=True),
    "10x folder with a prefix": _tenx_folder(3, prefix="GSM1_"),
    "10x output folder": _outs,
    "loom": _loom,
    "three files": _bridge,
    "AnnData": lambda folder: adata(),
    "AnnData nullable": lambda folder: _nullable(adata()),
    "files by list": _plates("list"),
    "files by folder": _plates("folder"),
    "files by pattern": _plates("pattern"),
}


def copy_of(path: Path, to: Path) -> Path:
    return Path(shutil.copytree(path, to) if path.is_dir() else shutil.copy(path, to))
