"""Figures of an alignment: arrows have the length of the displacement, mass stands over that of independent pairs."""

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.plotting import figure_svg, plot_context_mass, plot_displacement_field, plot_gene_shift


def test_arrows_have_the_length_of_the_displacement():
    z = np.random.default_rng(0).normal(size=(300, 5))
    shift = np.tile([0.0, 2.0, 0.0, 0.0, 0.0], (300, 1))
    ax = plot_displacement_field(z, shift, perturbation="a$b", perturbed=z[:20] + shift[:20])
    arrows = ax.collections[-1]
    np.testing.assert_allclose(arrows.U, 2.0)
    np.testing.assert_allclose(arrows.V, 0.0, atol=1e-9)
    assert "a\\$b" in ax.get_title(loc="left")


def test_independent_mass_is_one_everywhere():
    ax = plot_context_mass(np.outer([0.25, 0.75], [0.4, 0.6]), contexts=("<b>", "c"))
    np.testing.assert_allclose(ax.images[0].get_array(), 0.0, atol=1e-12)
    assert "<b>" not in figure_svg(ax)
    with pytest.raises(DataError, match="no plan"):
        plot_context_mass(np.zeros((2, 2)), contexts=("a", "b"))


def test_the_most_changed_genes_are_drawn():
    before = np.random.default_rng(1).normal(size=(50, 4))
    after = before + np.array([0.0, 3.0, -1.0, 0.1])
    ax = plot_gene_shift(before, after, genes=("a", "up", "down", "b"), perturbation="p", n_genes=2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["up", "down"]
