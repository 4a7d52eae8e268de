"""Accuracy on simulated latents; the full table is `python -m tests.benchmarks transport_accuracy`."""

import numpy as np
import pytest

from perturbridge.transport import AlignmentSettings, align_latent

from ._worlds import make_world, relative_error


def error_of(world, **settings):
    n = world.n_controls
    alignment = align_latent(
        world.latent, audit="override: planted", condition=world.condition, context=world.batch,
        settings=AlignmentSettings(**settings),
    )  # fmt: skip
    return relative_error(
        alignment.displacement(world.latent.z[:n], "g000", context=world.batch[:n]), world.truth["g000"]
    )


@pytest.mark.parametrize(("skewed", "most"), [(False, 0.35), (True, 0.40)])
@pytest.mark.parametrize("kind", ["group", "linear", "gated"])
def test_the_planted_response_of_every_control_is_found_without_labels(kind, skewed, most):
    errors = [error_of(make_world(seed, kind, skewed=skewed)) for seed in range(2)]
    assert np.mean(errors) < most


@pytest.mark.parametrize("kind", ["group", "linear", "gated"])
def test_the_raw_map_is_further_from_it_than_no_displacement(kind):
    assert error_of(make_world(0, kind), solver="raw", strata="none") > 1.0


def test_a_response_of_half_of_the_cells_is_better_than_no_guess():
    assert error_of(make_world(0, "responders")) < 0.8


def test_a_golden_value():
    """Recipe: `error_of(make_world(7, "linear", n=800, m=150, n_dims=12))` at seed 0 of the settings."""
    assert error_of(make_world(7, "linear", n=800, m=150, n_dims=12)) == pytest.approx(0.2905, abs=0.003)
