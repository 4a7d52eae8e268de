"""Two shuffled epochs over a zarr store of 100,000 x 2,000 (10 % dense) in batches of 512: our streamed reader beside annbatch (Python 3.12 or later).

Equal work: 64 blocks of 512 rows in memory together, rows shuffled within them, compressed rows in torch, and of each cell Σ x and Σ ln x!, which a
step needs; annbatch checks no values and reads all cells of a stretch, ours checks them and reads the cells of a fit. Two stores: chunks as AnnData
writes them, and shards as annbatch writes them; two codecs: those of zarr, and zarrs where it is installed. *over*: peak memory less what the
process held when the store was open.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ._contender import measure, peak_mb

MODULE = "tests.benchmarks._zarr_loader"
BLOCK, TOGETHER, BATCH, EPOCHS = 512, 64, 512, 2


def run(*, quick: bool) -> list[dict]:
    """Measure."""
    if find_spec("annbatch") is None:
        return [{"what": "annbatch is not installed here: pip install annbatch zarrs, with Python 3.12 or later"}]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        measure(MODULE, "simulate", folder, "10000" if quick else "100000")
        for store in ("chunks", "shards"):
            for codec in ("zarr", "zarrs") if find_spec("zarrs") else ("zarr",):
                arguments, repeats = (f"{folder}/{store}.zarr", codec), 1 if quick else 3
                ours, theirs = (measure(MODULE, who, *arguments, repeats=repeats) for who in ("ours", "annbatch"))
                for name, found in (("ours", ours), ("annbatch", theirs)):
                    ratio = {"ratio of CPU": ours["work_s"] / theirs["work_s"]} if name == "ours" else {}
                    figures = {"rows per CPU s": round(found["rows"] / found["work_s"]), "over, MB": found["over_mb"]}
                    rows.append({"store": store, "codec": codec, "who": name} | figures | ratio)
    return rows


def _simulate(folder: str, n_cells: str) -> None:
    import annbatch
    import anndata as ad
    import zarr

    from perturbridge.screens import simulate

    path = Path(folder)
    simulate.write_large(
        path / "s.h5ad", n_cells=int(n_cells), n_genes=2000, n_conditions=200, n_contexts=8, density=0.1
    )
    cells = ad.read_h5ad(path / "s.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ad.settings.override(zarr_write_format=3, auto_shard_zarr_v3=False):
            cells.write_zarr(path / "chunks.zarr")
        with ad.settings.override(zarr_write_format=3):
            annbatch.write_sharded(zarr.open(path / "shards.zarr", mode="w"), cells)


def _ours(store: str, codec: str) -> None:
    import torch

    import perturbridge as pb
    from perturbridge.latent.cells._dataset import Codes, Dataset
    from perturbridge.latent.cells._order import Blocks
    from perturbridge.latent.cells._stream import StreamReader
    from perturbridge.latent.cells._table import GeneMap

    _use(codec)
    screen = pb.read_screen(store, context="context")
    rows, cpu = np.arange(screen.n_cells), torch.device("cpu")
    none = np.zeros(screen.n_cells, dtype=np.int64)
    reader = StreamReader(screen.source, rows, genes=GeneMap(None, screen.n_genes), device=cpu)
    codes = Codes(context=none, stratum=none, label=none, condition=none)
    data = Dataset(reader=reader, codes=codes, device=cpu, blocks=Blocks(BLOCK, TOGETHER))
    before, started, seen = peak_mb(), time.process_time(), 0
    for epoch in range(EPOCHS):
        order = data.order(rows, seed=0, epoch=epoch)
        for start in range(0, len(order), BATCH):
            seen += len(data.batch(order[start : start + BATCH]).counts.total)
    _say(seen, started, before)


def _annbatch(store: str, codec: str) -> None:
    import anndata as ad
    import torch
    import zarr
    from annbatch import Loader

    _use(codec)
    torch.set_num_threads(1)
    stored = ad.io.sparse_dataset(zarr.open(store, mode="r")["X"])
    rng = np.random.default_rng(0)
    loader = Loader(chunk_size=BLOCK, preload_nchunks=TOGETHER, batch_size=BATCH, shuffle=True, to="torch", rng=rng)
    loader = loader.add_dataset(stored)
    before, started, seen = peak_mb(), time.process_time(), 0
    for _ in range(EPOCHS):
        for batch in loader:
            values, ends = batch["X"].values().double(), batch["X"].crow_indices()
            for of in (values, torch.lgamma(values + 1)):
                torch.segment_reduce(of, "sum", offsets=ends, initial=0)
            seen += len(batch["X"])
    _say(seen, started, before)


def _use(codec: str) -> None:
    import zarr

    warnings.simplefilter("ignore")
    if codec == "zarrs":
        zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": 1})


def _say(seen: int, started: float, before: float) -> None:
    print(json.dumps({"rows": seen, "work_s": time.process_time() - started, "over_mb": peak_mb() - before}))


if __name__ == "__main__":
    {"simulate": _simulate, "ours": _ours, "annbatch": _annbatch}[sys.argv[1]](*sys.argv[2:])
