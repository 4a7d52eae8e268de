"""Figures of an audit: marks stand where the numbers are, breaches are marked, hostile names are plain text."""

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.plotting import (
    figure_svg,
    plot_confusion,
    plot_control_displacement,
    plot_leak_biology,
    plot_probe_forest,
)
from perturbridge.values import AuditReport, Check


def readout(name="readout_random", auc=0.7, *, verdict="fail"):
    probes = [
        {
            "probe": probe,
            "auc": value,
            "low": value - 0.02,
            "high": value + 0.02,
            "confusion": [[8, 2], [5, 5]],
            "balanced_accuracy": 0.65,
            "chance": 0.5,
        }
        for probe, value in (("linear", auc - 0.1), ("boosting", auc))
    ]
    return Check(
        name=name,
        question="",
        verdict=verdict,
        evidence="",
        effect=auc,
        low=auc - 0.02,
        high=auc + 0.02,
        threshold=0.6,
        figures={
            "probes": probes,
            "strongest": "boosting",
            "null_band": [0.48, 0.52],
            "contexts": ["a$_{<b>$", "b"],
        },
    )


def report(*checks, latent="z$_{<b>$"):
    return AuditReport(latent=latent, fingerprint="", checks=checks, n_cells=9, n_dims=2)


def kept(effect=0.95):
    return Check(
        name="kept",
        question="",
        verdict="pass",
        evidence="",
        effect=effect,
        effect_name="state kept",
        low=effect - 0.01,
        high=effect + 0.01,
        threshold=0.9,
    )


SHIFT = Check(
    name="transport",
    question="",
    verdict="warn",
    evidence="",
    figures={
        "control_shift": {
            "contexts": ["a", "b$_{<b>$"],
            "x": [0.5, -3.0],
            "y": [0.0, 0.0],
            "n": [10, 20],
            "typical_effect": 1.0,
        }
    },
)


def test_forest_draws_each_probe_of_each_readout_with_its_interval():
    ax = plot_probe_forest(report(readout(), readout("readout_within", 0.55, verdict="pass"), kept()))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["linear", "boosting"] * 2
    spans = [tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2]
    for value in (0.6, 0.7, 0.45, 0.55):
        assert any(np.allclose(span, (value - 0.02, value + 0.02)) for span in spans)
    diamonds = [line for line in ax.lines if line.get_marker() == "D"]
    assert [float(line.get_xdata()[0]) for line in diamonds] == [pytest.approx(0.7)]
    with pytest.raises(DataError, match="no readout"):
        plot_probe_forest(report(kept()))


def test_leak_is_beside_biology_and_what_is_missing_is_counted():
    both = report(readout(), readout("readout_within", 0.55), kept(), latent="pca")
    ax = plot_leak_biology([both, report(readout())])
    spots = [line.get_xydata()[0] for line in ax.lines if line.get_marker() in ("o", "D")]
    np.testing.assert_allclose(spots, [[0.55, 0.95]])
    assert "1 latents without both" in ax.get_title(loc="left")
    assert ax.get_ylabel() == "state kept"
    with pytest.raises(DataError, match="None of 1 audits"):
        plot_leak_biology([report(readout())])


def test_confusion_shows_shares_of_rows():
    ax = plot_confusion(readout())
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.8, 0.2], [0.5, 0.5]])
    assert [text.get_text() for text in ax.texts] == ["80", "20", "50", "50"]
    with pytest.raises(DataError, match="no confusion of probe 'none'"):
        plot_confusion(readout(), probe="none")


def test_controls_beyond_a_typical_perturbation_are_counted():
    ax = plot_control_displacement(SHIFT)
    assert ax.get_title(loc="left") == "Controls: 1 of 2 contexts beyond a typical perturbation"
    spots = np.concatenate([each.get_offsets() for each in ax.collections])
    np.testing.assert_allclose(spots, [[0.5, 0], [-3, 0]])
    with pytest.raises(DataError, match="no positions"):
        plot_control_displacement(kept())


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot_probe_forest(report(readout())),
        lambda: plot_leak_biology([report(readout(), kept())]),
        lambda: plot_confusion(readout()),
        lambda: plot_control_displacement(SHIFT),
    ],
)
def test_the_same_bytes_each_time_with_names_as_text(draw):
    text = figure_svg(draw())
    assert text == figure_svg(draw())
    assert "$_{&lt;b&gt;$" in text
    assert "<b>" not in text
