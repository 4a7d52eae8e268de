"""Latents as files."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad, settings

import perturbridge._mapped as mapped
from perturbridge.errors import DataError
from perturbridge.screens import read_latent, write_latent
from perturbridge.values import Finding, FittedStep, Labels, Latent


@pytest.fixture
def latent():
    rng = np.random.default_rng(0)
    return Latent(
        z=rng.standard_normal((7, 3)).astype("f4"),
        cells=np.array([9, 4, 5, 1, 0, 2, 8]),
        name="vae",
        made_by="a test",
        labels={
            "context": Labels("gem_group", ("a", "b"), np.array([0, 1, 1, -1, 0, 0, 1])),
            "condition": Labels("target", ("<b>", "=1", "naïve"), np.array([0, 1, 2, 2, 1, 0, 0])),
        },
        split_hash="ab" * 32,
        trained=np.array([True, False] * 3 + [True]),
        steps=(FittedStep(name="encoder", rows="train", split_hash="ab" * 32, n_cells=4),),
        findings=(Finding(level="warning", code="x", message="something", count=2),),
    )


def test_round_trip(latent, tmp_path):
    write_latent(latent, tmp_path / "z.h5ad")
    again = read_latent(tmp_path / "z.h5ad")
    assert again.fingerprint == latent.fingerprint
    assert (again.name, again.made_by, again.split_hash) == (latent.name, latent.made_by, latent.split_hash)
    assert (again.steps, again.findings) == (latent.steps, latent.findings)
    np.testing.assert_array_equal(again.trained, latent.trained)
    for role, labels in latent.labels.items():
        got = again.labels[role]
        assert (got.column, got.categories) == (labels.column, labels.categories)
        np.testing.assert_array_equal(got.codes, labels.codes)
    bare = Latent(z=latent.z)
    write_latent(bare, tmp_path / "bare.h5ad")
    assert read_latent(tmp_path / "bare.h5ad").fingerprint == bare.fingerprint
    assert read_latent(tmp_path / "bare.h5ad").trained is None


def test_others_find_coordinates_and_plain_text(latent, tmp_path):
    write_latent(latent, tmp_path / "z.h5ad", cell_names=[f"AAAC-{i}" for i in range(7)])
    adata = read_h5ad(tmp_path / "z.h5ad")
    np.testing.assert_array_equal(adata.obsm["X_perturbridge"], latent.z)
    assert list(adata.obs_names) == [f"AAAC-{i}" for i in range(7)]
    assert adata.obs["gem_group"].isna().sum() == 1
    with h5py.File(tmp_path / "z.h5ad") as file:
        kinds = set()
        file.visititems(lambda name, item: kinds.add(item.attrs.get("encoding-type")))
    # Nullable strings are what R and older readers do not open.
    assert kinds <= {"array", "categorical", "dataframe", "dict", "numeric-scalar", "string", "string-array"}


def test_changed_coordinates_and_other_files_are_refused(latent, tmp_path):
    write_latent(latent, tmp_path / "z.h5ad")
    with h5py.File(tmp_path / "z.h5ad", "r+") as file:
        file["obsm/X_perturbridge"][0, 0] += 1
    with pytest.raises(DataError, match="changed after they were written"):
        read_latent(tmp_path / "z.h5ad")
    with h5py.File(tmp_path / "z.h5ad", "r+") as file:
        del file["uns/perturbridge/format"]
    with pytest.raises(DataError, match="expected 'perturbridge-latent'"):
        read_latent(tmp_path / "z.h5ad")
    with pytest.raises(DataError, match="2 names were given for 7 cells"):
        write_latent(latent, tmp_path / "y.h5ad", cell_names=["a", "b"])


def _contents(path):
    """Everything in a file: attributes, types, shapes, layout and values."""

    def plain(value):
        return value.tolist() if hasattr(value, "tolist") else value

    with h5py.File(path) as file:
        found = {"/": {key: plain(value) for key, value in file.attrs.items()}}

        def see(name, item):
            attributes = {key: plain(value) for key, value in item.attrs.items()}
            is_array = isinstance(item, h5py.Dataset)
            found[name] = (
                (attributes, str(item.dtype), item.shape, item.chunks, plain(item[()])) if is_array else attributes
            )

        file.visititems(see)
    return found


@pytest.mark.parametrize("names", [(), tuple(f"AAAC-{i}" for i in range(7))])
def test_the_file_is_the_one_that_anndata_writes(latent, tmp_path, names, monkeypatch):
    monkeypatch.setattr(mapped, "_LARGE", 1)
    monkeypatch.setattr(mapped, "_STRETCH", 24)
    on_disk = mapped.room((7, 3), np.float32)
    on_disk[:] = latent.z
    monkeypatch.setattr("perturbridge.screens.saving._latents.NAMES_AT_ONCE", 2)
    write_latent(replace(latent, z=on_disk), tmp_path / "ours.h5ad", cell_names=names)
    table = AnnData(
        X=np.zeros((7, 0), dtype=np.float32), obs=pd.DataFrame(index=list(names) or [f"cell{i}" for i in latent.cells])
    )
    table.obs["row"] = latent.cells
    for labels in latent.labels.values():
        categories = pd.Index(list(labels.categories), dtype=object)
        table.obs[labels.column] = pd.Categorical.from_codes(labels.codes, categories=categories)
    table.obs["trained"] = latent.trained
    table.obsm["X_perturbridge"] = np.asarray(latent.z)
    table.uns = read_h5ad(tmp_path / "ours.h5ad").uns
    with settings.override(allow_write_nullable_strings=False):
        table.write_h5ad(tmp_path / "theirs.h5ad", convert_strings_to_categoricals=False)
    assert _contents(tmp_path / "ours.h5ad") == _contents(tmp_path / "theirs.h5ad")
    again = read_latent(tmp_path / "ours.h5ad")
    assert mapped.is_mapped(again.z)
    assert again.fingerprint == latent.fingerprint
