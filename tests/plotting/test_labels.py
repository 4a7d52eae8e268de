"""Names beside points: as many as fit, none on another."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from perturbridge.plotting import plot_observed


def drawn(ax):
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    return [text.get_window_extent(canvas.get_renderer()) for text in ax.texts]


def test_no_name_lies_on_another():
    """Thirty genes in one place and one apart: the crowd is named as far as there is room, the other always."""
    rng = np.random.default_rng(0)
    x = np.r_[1 + rng.normal(0, 0.02, 30), -3.0]
    genes = [f"LONGGENE{i}" for i in range(31)]
    ax = plot_observed(x, x + rng.normal(0, 0.02, 31), genes=genes, title="t", n_named=31)
    named = [text.get_text() for text in ax.texts]
    assert "LONGGENE30" in named
    assert 2 < len(named) < 31
    boxes = drawn(ax)
    assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))


def test_points_apart_are_all_named():
    x = np.linspace(-1, 1, 6)
    ax = plot_observed(x, x, genes=[f"G{i}" for i in range(6)], title="t")
    assert len(ax.texts) == 6
