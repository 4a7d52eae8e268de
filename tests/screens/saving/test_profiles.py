"""Effects and predictions as files: `_profiles_write` and `_profiles_read`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pytest
from tests.screens._planted import planted

from perturbridge.errors import DataError
from perturbridge.screens import pseudobulk, read_effects, read_prediction, write_effects, write_prediction
from perturbridge.values import Effects, Finding, Prediction

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "a/b",
    "../../etc",
    "=cmd()",
    "<script>alert(1)</script>",
    "nan",
    "None",
    "Größe",
    "遺伝子",
    "a\tb\nc",
    "-",
    "NA",
    "0",
    "1e5",
)


def hostile_effects() -> Effects:
    rng = np.random.default_rng(0)
    n = len(HOSTILE)
    # Every kind of finite float: subnormal, huge, signed zero.
    delta = np.ldexp(rng.normal(size=(n, n)), rng.integers(-1070, 1000, size=(n, n)))
    delta[0, :3] = [-0.0, 5e-324, 1.7e308]
    return replace(
        Effects.from_delta(delta, perturbations=HOSTILE, genes=HOSTILE[::-1]),
        n_cells=np.arange(1, n + 1) * 2**40,
        control_mean=rng.normal(size=n),
        fingerprint="f" * 64,
        findings=(Finding(level="warning", code="x", message='"quoted" \\ ü', count=3, example="a/b"),),
    )


def prediction(*, bounds: bool = True) -> Prediction:
    rng = np.random.default_rng(1)
    n = len(HOSTILE)
    delta = rng.normal(size=(n, n))
    return Prediction(
        perturbations=HOSTILE,
        genes=HOSTILE[::-1],
        delta=delta,
        status=tuple(["predicted", "partial_embedding", "no_embedding"][i % 3] for i in range(n)),
        detail=("", *HOSTILE[1:]),
        model="ridge & <b>co</b>",
        lower=delta - 1 if bounds else None,
        upper=delta + 1 if bounds else None,
        split_hash="ab12",
    )


def same(first: object, second: object, *names: str) -> None:
    for name in names:
        a, b = getattr(first, name), getattr(second, name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            assert a.tobytes() == b.tobytes(), name
        else:
            assert a == b, name


EFFECT_FIELDS = (
    "perturbations",
    "genes",
    "delta",
    "n_cells",
    "control_mean",
    "variance",
    "detected",
    "fingerprint",
    "findings",
)
CONTEXT_FIELDS = ("names", "n_perturbed", "n_control", "control_mean", "control_variance", "weights")
PREDICTION_FIELDS = ("perturbations", "genes", "delta", "status", "detail", "model", "lower", "upper", "split_hash")


def test_effects_come_back_to_the_last_bit(tmp_path: Path) -> None:
    effects = pseudobulk(planted(0).screen())
    write_effects(effects, tmp_path / "e.h5ad")
    back = read_effects(tmp_path / "e.h5ad")
    same(effects, back, *EFFECT_FIELDS, "matched_control")
    same(effects.contexts, back.contexts, *CONTEXT_FIELDS)
    np.testing.assert_array_equal(effects.sampling_variance(), back.sampling_variance())
    # The memory order decides which BLAS path a product takes, hence its last bit.
    assert back.contexts.control_mean.flags.c_contiguous
    assert [p.name for p in tmp_path.iterdir()] == ["e.h5ad"]


def test_hostile_names_and_numbers(tmp_path: Path) -> None:
    effects = hostile_effects()
    write_effects(effects, tmp_path / "e.h5ad")
    same(effects, read_effects(tmp_path / "e.h5ad"), *EFFECT_FIELDS)


def test_one_perturbation_one_gene_one_context(tmp_path: Path) -> None:
    effects = pseudobulk(planted(0).screen(context=False)).take(pseudobulk(planted(0).screen()).perturbations[:1])
    write_effects(effects, tmp_path / "e.h5ad")
    same(effects.contexts, read_effects(tmp_path / "e.h5ad").contexts, *CONTEXT_FIELDS)
    single = Effects.from_delta([[1.5]], perturbations=["A"])
    write_effects(single, tmp_path / "s.h5ad")
    same(single, read_effects(tmp_path / "s.h5ad"), *EFFECT_FIELDS)


@pytest.mark.parametrize("bounds", [True, False])
def test_predictions_come_back_to_the_last_bit(bounds: bool, tmp_path: Path) -> None:
    wanted = prediction(bounds=bounds)
    write_prediction(wanted, tmp_path / "p.h5ad")
    same(wanted, read_prediction(tmp_path / "p.h5ad"), *PREDICTION_FIELDS)


def test_others_can_read_it(tmp_path: Path) -> None:
    """As AnnData, with every text a plain string array and everything in `uns` a plain value or array."""
    write_effects(pseudobulk(planted(0).screen()), tmp_path / "e.h5ad")
    write_prediction(prediction(), tmp_path / "p.h5ad")
    table = ad.read_h5ad(tmp_path / "e.h5ad")
    assert table.obs_names[3] == "P03"
    assert table.uns["perturbridge"]["unit"].startswith("mean log1p")
    assert list(table.uns["perturbridge"]["contexts"]) == ["b0", "b1", "b2", "b3"]
    json.loads(table.uns["perturbridge"]["findings"])
    np.testing.assert_array_equal(table.X, pseudobulk(planted(0).screen()).delta)
    for name in ("e.h5ad", "p.h5ad"):
        encodings: set[str] = set()
        with h5py.File(tmp_path / name) as file:
            file.visititems(lambda _, item, out=encodings: out.add(item.attrs.get("encoding-type", "")))
        assert encodings <= {"array", "string-array", "string", "numeric-scalar", "dict", "dataframe"}, encodings


def test_the_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "p.h5ad"
    write_prediction(prediction(), path)
    before = path.read_bytes()
    with pytest.raises(DataError, match="NUL characters"):
        write_prediction(replace(prediction(), detail=("bad\0",) * len(HOSTILE)), path)
    with pytest.raises(DataError, match="broken Unicode"):
        write_prediction(replace(prediction(), model="\ud800"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.h5ad"]


class TestRefusals:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        write_effects(pseudobulk(planted(0).screen()), tmp_path / "e.h5ad")
        return tmp_path / "e.h5ad"

    def test_one_kind_is_not_the_other(self, path: Path) -> None:
        with pytest.raises(DataError, match="holds 'perturbridge-effects', expected 'perturbridge-prediction'"):
            read_prediction(path)

    def test_any_other_h5ad(self, tmp_path: Path) -> None:
        ad.AnnData(np.ones((2, 2))).write_h5ad(tmp_path / "x.h5ad")
        with pytest.raises(DataError, match="was not written by perturbridge"):
            read_effects(tmp_path / "x.h5ad")

    def test_a_later_version(self, path: Path) -> None:
        with h5py.File(path, "r+") as file:
            file["uns/perturbridge/version"][()] = 9
        with pytest.raises(DataError, match="is of version 9"):
            read_effects(path)

    @pytest.mark.parametrize(
        "place", ["X", "layers/variance", "obs/n_cells", "obsm/n_perturbed", "uns/perturbridge/n_control"]
    )
    def test_tables_that_do_not_fit(self, place: str, path: Path) -> None:
        with h5py.File(path, "r+") as file:
            values = file[place][()]
            del file[place]
            file[place] = values[:-1]
        with pytest.raises(DataError, match="has shape"):
            read_effects(path)

    @pytest.mark.parametrize(
        "place", ["X", "obs", "var/control_mean", "varm/context_control_mean", "uns/perturbridge/findings"]
    )
    def test_missing_parts(self, place: str, path: Path) -> None:
        with h5py.File(path, "r+") as file:
            del file[place]
        with pytest.raises(DataError, match="has no"):
            read_effects(path)

    def test_a_value_that_is_not_finite(self, path: Path) -> None:
        with h5py.File(path, "r+") as file:
            file["X"][2, 3] = np.nan
        with pytest.raises(DataError, match=r"delta has 1 entries that are NaN or infinite, the first at \(2, 3\)"):
            read_effects(path)

    def test_text_where_numbers_belong(self, path: Path) -> None:
        with h5py.File(path, "r+") as file:
            shape = file["X"].shape
            del file["X"]
            file["X"] = np.full(shape, b"x")
        with pytest.raises(DataError, match="expected numbers"):
            read_effects(path)

    def test_a_truncated_file(self, path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-5000])
        with pytest.raises(DataError, match="cut short"):
            read_effects(path)

    def test_findings_that_are_not_json(self, path: Path) -> None:
        with h5py.File(path, "r+") as file:
            del file["uns/perturbridge/findings"]
            file["uns/perturbridge/findings"] = "{"
        with pytest.raises(DataError, match=r"findings in .* cannot be read"):
            read_effects(path)

    def test_a_claim_of_80_gigabytes(self, path: Path) -> None:
        with h5py.File(path, "r+") as file:
            del file["X"]
            file.create_dataset("X", shape=(100_000, 100_000), dtype="f8", chunks=(100, 100))
        with pytest.raises(DataError, match=r"claims 80\.0 GB"):
            read_effects(path)
