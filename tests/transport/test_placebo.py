"""Guides that target nothing: counted as moving only if they do."""

import numpy as np

from perturbridge.transport import AlignmentSettings, align_latent
from perturbridge.values import Latent

GUIDES = np.concatenate([np.repeat([f"nt{i}" for i in range(8)], 60), np.repeat("A1", 60)])
CONDITION = np.where(np.char.startswith(GUIDES, "nt"), "control", "A")


def finding(latent, guides, code="placebo"):
    alignment = align_latent(
        latent, audit="override: planted", condition=CONDITION, guide=guides, settings=AlignmentSettings(n_null=2)
    )
    return next(found for found in alignment.findings if found.code == code)


def test_guides_without_effect_do_not_move():
    found = finding(Latent(z=np.random.default_rng(0).normal(size=(540, 5))), GUIDES)
    assert found.count <= 1
    assert found.level == "info"
    assert f"{found.count} of 8 control guides" in found.message


def test_guides_with_an_effect_of_their_own_are_counted_and_named():
    z = np.random.default_rng(0).normal(size=(540, 5))
    z[GUIDES == "nt3"] += 1.0
    z[GUIDES == "nt5"] -= 1.0
    found = finding(Latent(z=z), GUIDES)
    assert found.level == "warning"
    assert found.count >= 2
    assert found.example in ("nt3", "nt5")


def test_controls_with_one_guide_have_no_placebo_and_it_is_said():
    guides = np.where(CONDITION == "control", "nt", "A1")
    assert (
        "no placebo" in finding(Latent(z=np.random.default_rng(0).normal(size=(540, 5))), guides, "no_placebo").message
    )


def test_guides_of_a_size_that_no_perturbation_has_are_tried_too_and_move_nothing_else():
    latent = Latent(z=np.random.default_rng(0).normal(size=(540, 5)))
    guides = np.where(CONDITION == "control", np.where(np.arange(540) < 300, "large", "small"), "A1")
    guides[:25] = "few"
    alignment = align_latent(
        latent, audit="override: planted", condition=CONDITION, settings=AlignmentSettings(n_null=2)
    )
    found = finding(latent, guides)
    assert "of 2 control guides" in found.message
    with_guides = align_latent(
        latent, audit="override: planted", condition=CONDITION, guide=guides, settings=AlignmentSettings(n_null=2)
    )
    assert [plan.as_json() for plan in with_guides.plans] == [plan.as_json() for plan in alignment.plans]
