"""Latents as files."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from anndata import read_h5ad

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
