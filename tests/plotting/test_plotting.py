"""Figures: what is drawn is what was given, the same bytes each time, hostile names as plain text."""

from __future__ import annotations

import numpy as np
import pytest

from perturbridge.plotting import figure_svg, plot_forest, plot_paired, plot_strength
from perturbridge.values import Effects


@pytest.mark.parametrize(("higher", "top"), [(True, "b"), (False, "a")])
def test_forest_puts_the_best_on_top(higher, top):
    ax = plot_forest(
        ["a", "b", "none"],
        [0.1, 0.3, np.nan],
        lower=[0, 0.2, np.nan],
        upper=[0.2, 0.4, np.nan],
        title="m",
        higher_is_better=higher,
    )
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[-1] == top
    assert labels[0] == "none"


def test_forest_draws_the_interval_given():
    ax = plot_forest(["a"], [0.1], lower=[-0.5], upper=[0.7], title="m", higher_is_better=True)
    assert list(ax.lines[0].get_xdata()) == [-0.5, 0.7]


def test_paired_counts_wins_in_the_right_direction():
    kwargs = {"names": ["p", "q", "r"], "labels": ("model", "mean"), "title": "rmse"}
    ax = plot_paired([1.0, 2.0, np.nan], [2.0, 1.5, 1.0], higher_is_better=False, **kwargs)
    assert ax.get_title(loc="left") == "rmse: better on 1 of 2, 1 undefined"
    ax = plot_paired([1.0, 2.0, 3.0], [2.0, 1.5, 1.0], higher_is_better=True, **kwargs)
    assert ax.get_title(loc="left") == "rmse: better on 2 of 3"


def test_strength_shows_rms_of_each_effect():
    effects = Effects.from_delta([[3.0, 4.0], [0.0, 0.0]], perturbations=["A$x$", "B"])
    points = plot_strength(effects).collections[0].get_offsets()
    np.testing.assert_allclose(points[:, 1], [np.sqrt(12.5), 0.0])


def test_svg_is_the_same_each_time_and_holds_names_as_text():
    def draw():
        return figure_svg(plot_strength(Effects.from_delta([[3.0, 4.0]], perturbations=["A$_{<b>$"])))

    assert draw() == draw()
    assert draw().startswith("<svg")
    assert "A$_{&lt;b&gt;$" in draw()
