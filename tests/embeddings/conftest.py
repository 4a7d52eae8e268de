"""Small embedding files in the forms that are in use."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

GENES = ("TP53", "MYC", "KRAS", "EGFR", "PTEN", "BRCA1")


@pytest.fixture
def vectors() -> np.ndarray:
    """`(6, 5)` float32, no two rows alike."""
    return np.random.default_rng(3).standard_normal((len(GENES), 5)).astype(np.float32)


@pytest.fixture
def table(vectors) -> dict[str, np.ndarray]:
    return dict(zip(GENES, vectors, strict=True))


@pytest.fixture
def dump(tmp_path):
    """Write a pickle under a name that says nothing of it."""

    def write(value: object, protocol: int = 4, name: str = "file.bin") -> Path:
        path = tmp_path / name
        path.write_bytes(pickle.dumps(value, protocol))
        return path

    return write


@pytest.fixture
def same(table):
    """Assert that an embedding holds `table`, name by name."""

    def check(embedding, wanted=None) -> None:
        wanted = table if wanted is None else wanted
        assert sorted(embedding.genes) == sorted(wanted)
        got = embedding.vectors[embedding.rows]
        for gene, vector in zip(embedding.genes, got, strict=True):
            np.testing.assert_array_equal(vector, np.asarray(wanted[gene], dtype=np.float32))

    return check
