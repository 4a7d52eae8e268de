"""Figures.

Takes: arrays, names and records.
Gives: matplotlib Axes; `figure_svg` turns one into text for a page.
Depends on: matplotlib.
"""

from __future__ import annotations

from ._against import plot_against
from ._confusion import plot_confusion
from ._context_mass import plot_context_mass
from ._control_displacement import plot_control_displacement
from ._coverage import plot_coverage
from ._displacement_field import plot_displacement_field
from ._forest import plot_forest
from ._gene_shift import plot_gene_shift
from ._genes import plot_observed, plot_top_genes, plot_volcano
from ._heatmap import plot_heatmaps
from ._leak_biology import plot_leak_biology
from ._paired import plot_paired
from ._probe_forest import plot_probe_forest
from ._strength import plot_strength
from ._svg import figure_svg

__all__ = [
    "figure_svg",
    "plot_against",
    "plot_confusion",
    "plot_context_mass",
    "plot_control_displacement",
    "plot_coverage",
    "plot_displacement_field",
    "plot_forest",
    "plot_gene_shift",
    "plot_heatmaps",
    "plot_leak_biology",
    "plot_observed",
    "plot_paired",
    "plot_probe_forest",
    "plot_strength",
    "plot_top_genes",
    "plot_volcano",
]
