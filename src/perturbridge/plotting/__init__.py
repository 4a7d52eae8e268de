"""Figures.

Takes: arrays, names and records.
Gives: matplotlib Axes; `figure_svg` turns one into text for a page.
Depends on: matplotlib.
"""

from __future__ import annotations

from ._forest import plot_forest
from ._paired import plot_paired
from ._strength import plot_strength
from ._svg import figure_svg

__all__ = ["figure_svg", "plot_forest", "plot_paired", "plot_strength"]
