from __future__ import annotations

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.screens import read_screen


def logged(adata, total=1e4):
    x = adata.X.toarray()
    return np.log1p(x / x.sum(axis=1, keepdims=True) * total)


@pytest.fixture
def screen_with(make_adata):
    def build(x="counts", **layers):
        adata = make_adata(n_cells=80)
        made = {
            "counts": adata.X,
            "log": logged(adata),
            "log4k": logged(adata, 4000),
            "log part": logged(adata)[:, ::-1] * 0.9,
            "scaled": logged(adata) - 1.0,
            "cp10k": np.expm1(logged(adata)),
            "log2": np.log2(1 + np.expm1(logged(adata))),
        }
        raw = layers.pop("raw", None)
        if raw:
            adata.X = made[raw]
            adata.raw = adata
        adata.X = None if x is None else made[x]
        for name, kind in layers.items():
            adata.layers[name] = made[kind]
        return adata

    return build


@pytest.mark.parametrize(
    ("files", "options", "place", "kind"),
    [
        ({"x": "counts"}, {}, "X", "counts"),
        ({"x": "log"}, {}, "X", "log1p"),
        ({"x": "log", "counts": "counts"}, {}, "layers/counts", "counts"),
        ({"x": "counts", "counts": "counts"}, {}, "layers/counts", "counts"),
        ({"x": "log", "Raw_Counts": "counts"}, {}, "layers/Raw_Counts", "counts"),
        ({"x": "log", "raw": "counts"}, {}, "raw/X", "counts"),
        ({"x": "scaled", "raw": "log"}, {}, "raw/X", "log1p"),
        ({"x": "counts", "counts": "log"}, {}, "X", "counts"),
        ({"x": None, "anything": "counts"}, {}, "layers/anything", "counts"),
        ({"x": "log", "counts": "counts"}, {"place": "X"}, "X", "log1p"),
        ({"x": "log", "counts": "counts"}, {"x_is": "log1p"}, "X", "log1p"),
        ({"x": "log", "counts": "counts"}, {"x_is": "counts"}, "layers/counts", "counts"),
        ({"x": "log", "other": "counts"}, {"place": "other"}, "layers/other", "counts"),
        ({"x": "log", "raw": "counts"}, {"place": "raw"}, "raw/X", "counts"),
        ({"x": "cp10k"}, {"x_is": "counts"}, "X", "counts"),
    ],
)
def test_which_matrix_is_used(screen_with, files, options, place, kind):
    screen = read_screen(screen_with(**files), **options)
    assert (screen.normalization.place, screen.normalization.kind) == (place, kind)
    assert screen.normalization.evidence
    assert any(place in line and line.startswith("Values: ") for line in screen.explanation)


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (
            {"x": "log"},
            {"x_is": "counts"},
            r'said to hold counts, but looks like log1p values .* Say x_is="log1p", or name the place that holds counts \(places: X\)',
        ),
        ({"x": "log", "mine": "counts"}, {"x_is": "counts"}, r"or place='layers/mine', which holds counts"),
        (
            {"x": "log", "counts": "counts"},
            {"x_is": "counts", "place": "X"},
            r"or place='layers/counts', which holds counts",
        ),
        (
            {"x": "counts"},
            {"x_is": "log1p"},
            r'said to hold log1p values, but looks like counts values .* Say x_is="counts"',
        ),
        ({"x": "scaled"}, {}, "negative"),
        ({"x": "scaled"}, {"x_is": "log1p"}, "negative"),
        (
            {"x": "cp10k"},
            {},
            r'neither counts nor log1p values: they look linear .* cells sum to 10,000\)\. Say x_is="counts"',
        ),
        ({"x": "log2"}, {}, r"they look log2 .* Divide the values by log2\(e\)"),
        ({"x": "counts"}, {"place": "layers/absent"}, "no matrix at 'layers/absent'. Use one of 'X'"),
    ],
)
def test_values_that_contradict_what_was_said_are_refused(screen_with, files, options, message):
    with pytest.raises(DataError, match=message):
        read_screen(screen_with(**files), **options)


def test_the_library_size_of_logarithms_is_recorded(screen_with):
    screen = read_screen(screen_with("log4k"))
    assert screen.normalization.target_sum == 4000
    finding = next(f for f in screen.findings if f.code == "library_size")
    assert "4,000 counts per cell, not 10,000" in finding.message
    assert "library_size" not in [f.code for f in read_screen(screen_with("log")).findings]


def test_a_library_size_that_cannot_be_seen_is_said(screen_with):
    screen = read_screen(screen_with("log part"))
    assert screen.normalization.target_sum == 1e4
    assert any("which these genes alone cannot show" in line for line in screen.explanation)


def test_a_matrix_of_zeros_is_what_it_is_said_to_be(make_adata):
    zeros = np.zeros((48, 12))
    assert read_screen(make_adata(matrix=zeros)).normalization.kind == "counts"
    assert read_screen(make_adata(matrix=zeros), x_is="log1p").normalization.kind == "log1p"


def test_target_sum_and_x_is_are_checked(make_adata):
    assert read_screen(make_adata(), target_sum=5000.0).normalization.target_sum == 5000
    with pytest.raises(DataError, match=r"target_sum is -1"):
        read_screen(make_adata(), target_sum=-1)
    with pytest.raises(DataError, match=r"x_is is 'log'"):
        read_screen(make_adata(), x_is="log")
