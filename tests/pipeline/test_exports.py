"""Every h5ad of ours is what other readers need: plain encodings of the AnnData file format, whatever the user's own settings.

Opened once by scanpy 1.11, pertpy 1.0, cell-eval2 0.20, anndata 0.8 and R's anndataR (see tests/benchmarks/README.md); these are too heavy to
be dependencies, and what they choke on is what is checked here.
"""

from __future__ import annotations

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

import perturbridge as pb
from perturbridge.effects import MeanEffect
from perturbridge.pipeline._export import write_cell_eval
from perturbridge.screens import write_latent
from perturbridge.values import Labels, Latent

# The format of 2022 that anndata 0.8 and R's readers know; newer releases add nullable strings, which they refuse.
PLAIN = {
    "anndata": "0.1.0",
    "array": "0.2.0",
    "categorical": "0.2.0",
    "csr_matrix": "0.1.0",
    "dataframe": "0.2.0",
    "dict": "0.1.0",
    "numeric-scalar": "0.2.0",
    "string": "0.2.0",
    "string-array": "0.2.0",
}


@pytest.fixture(scope="module")
def simulated():
    return pb.simulate.screen(n_perturbations=6, n_genes=12, cells_per_perturbation=12, n_controls=30, seed=2)


def _kinds(simulated, folder):
    """The same cells with controls of two kinds."""
    pb.write_screen(simulated, folder / "one.h5ad")
    adata = anndata.read_h5ad(folder / "one.h5ad")
    label = adata.obs["perturbation"].astype(object).to_numpy()
    control = np.flatnonzero(label == "control")
    label[control[::2]], label[control[1::2]] = "non-targeting", "safe-targeting"
    adata.obs["perturbation"] = pd.Categorical(label)
    return pb.read_screen(adata, context="context")


def _latent(screen):
    return Latent(
        z=np.random.default_rng(0).normal(size=(screen.n_cells, 3)).astype("f4"),
        cells=np.arange(screen.n_cells),
        name="z",
        made_by="here",
        labels={"context": Labels("batch", screen.context.categories, screen.context.codes)},
        trained=np.ones(screen.n_cells, dtype=bool),
    )


@pytest.fixture(scope="module", params=[False, True], ids=["as it comes", "nullable strings wanted"])
def files(simulated, tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("exports")
    screen = _kinds(simulated, folder)
    effects = pb.pseudobulk(screen)
    prediction = MeanEffect().fit(effects).predict([str(name) for name in effects.perturbations])
    with anndata.settings.override(allow_write_nullable_strings=request.param):
        pb.write_effects(effects, folder / "effects.h5ad")
        pb.write_prediction(prediction, folder / "prediction.h5ad")
        pb.write_screen(screen, folder / "screen.h5ad")
        write_latent(_latent(screen), folder / "latent.h5ad")
        write_cell_eval(prediction, effects, folder / "cells.h5ad", screen=screen)
    return sorted(folder.glob("*.h5ad"))


def test_every_part_has_a_plain_encoding(files):
    assert len(files) == 6
    for path in files:
        with h5py.File(path) as file:
            assert file.attrs["encoding-type"] == "anndata"
            parts = [file]
            file.visititems(lambda _, part, into=parts: into.append(part))
            for part in parts:
                inside = part.parent.attrs.get("encoding-type") == "csr_matrix"
                if inside:
                    assert part.dtype.kind in "if"
                    continue
                kind = part.attrs["encoding-type"]
                assert part.attrs["encoding-version"] == PLAIN[kind], (path.name, part.name, kind)
                if kind == "string-array":
                    told = h5py.check_string_dtype(part.dtype)
                    assert (told.encoding, told.length) == ("utf-8", None)
                if kind == "array":
                    assert part.dtype.kind in "iufb", (path.name, part.name)
                if kind == "dataframe":
                    index = part[part.attrs["_index"]]
                    assert index.attrs["encoding-type"] == "string-array"
                    assert len(set(index.asstr()[()])) == len(index)
                    assert set(part.attrs["column-order"]) == set(part) - {part.attrs["_index"]}


def test_anndata_reads_them_without_a_word(files):
    for path in files:
        table = anndata.read_h5ad(path)
        assert all(isinstance(name, str) for name in (*table.obs_names, *table.var_names))
        again = path.with_suffix(".again")
        table.write_h5ad(again)
        assert anndata.read_h5ad(again).shape == table.shape
