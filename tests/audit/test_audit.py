"""`audit_latent` as a whole: planted traps are caught by their check, clean latents pass, bad input is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.audit._leaky import planted

from perturbridge.audit import AuditSettings, audit_latent, audit_latents
from perturbridge.errors import DataError, LeakageError
from perturbridge.values import AuditReport, FittedStep, Latent

QUICK = AuditSettings(n_permutations=99)


def audited(cells, **more) -> AuditReport:
    return audit_latent(cells.z, context=cells.context, condition=cells.condition, settings=QUICK, **more)


def test_a_clean_latent_passes(rng):
    cells = planted(rng, n_cells=3_000)
    report = audited(cells, reference=cells.z)
    assert report.verdict == "pass", [(c.name, c.verdict, c.evidence) for c in report.checks]
    assert report.require(Latent(z=cells.z).fingerprint) is report
    assert report["readout_within"].effect == pytest.approx(0.5, abs=0.03)


def test_a_shifted_context_fails_and_the_gate_stays_shut(rng):
    report = audited(planted(rng, n_cells=800, shift=1.5))
    assert report.verdict == "fail"
    assert report["readout_within"].p == pytest.approx(2 / 100)
    with pytest.raises(LeakageError, match=r"readout_within \(AUC 0\.8.*tolerated 0\.600.*") as caught:
        report.require()
    assert "--repair" in caught.value.cure


def test_a_report_for_one_latent_never_opens_the_gate_for_another(rng):
    cells = planted(rng, n_cells=300)
    report = audited(cells)
    other = Latent(z=cells.z + 1)
    with pytest.raises(LeakageError, match="not of this one"):
        report.require(other.fingerprint)


def test_a_leak_no_line_sees_is_found_by_the_ladder(rng):
    cells = planted(rng, n_cells=2_000, xor=True, condition_shift=0.0)
    report = audited(cells)
    check = report["readout_within"]
    probes = {p["probe"]: p["auc"] for p in check.figures["probes"]}
    assert check.verdict == "fail"
    assert probes["linear"] < 0.56
    assert check.figures["strongest"] == "boosting"
    assert check.figures["p_linear"] > 0.05
    assert check.figures["p_ladder"] <= 0.05


def test_a_difference_of_variance_alone_is_found(rng):
    check = audited(planted(rng, n_cells=2_000, spread=3.0, condition_shift=0.0))["readout_within"]
    probes = {p["probe"]: p["auc"] for p in check.figures["probes"]}
    assert check.verdict == "fail"
    assert probes["linear"] < 0.56 < 0.65 < probes["boosting"]


def test_a_leak_in_controls_alone_is_named(rng):
    cells = planted(rng, n_cells=4_000, n_conditions=16)
    z = cells.z.copy()
    z[(cells.condition == "control") & (cells.context == "chip1"), 5] += 2.5
    report = audited(replace(cells, z=z))
    assert report["readout_controls"].verdict == "fail"
    assert report["readout_controls"].effect > report["readout_within"].effect + 0.2
    assert report.verdict == "fail"


def test_biology_confounded_with_context_is_not_called_a_leak(rng):
    cells = planted(rng, n_cells=4_000, association=0.7, condition_shift=3.0)
    report = audited(cells)
    assert report["readout_random"].effect > 0.7
    assert not report["readout_random"].gates
    assert report["readout_within"].effect == pytest.approx(0.5, abs=0.03)
    assert report["readout_within"].verdict == "pass"


def test_context_nested_in_perturbation_cannot_be_judged(rng):
    cells = planted(rng, n_cells=1_000, n_conditions=6)
    context = np.char.add("chip", np.char.replace(cells.condition, "gene", "g"))
    report = audit_latent(cells.z, context=context, condition=cells.condition, settings=QUICK)
    assert report.verdict == "not_identifiable"
    assert report.decisive.name == "design"
    assert report.allows == "within context"
    with pytest.raises(LeakageError, match="cannot be told apart"):
        report.require()
    report.require(pairs="within context")


def test_noise_does_not_pass_as_useful(rng):
    cells = planted(rng, n_cells=1_500, condition_shift=2.0)
    noise = rng.normal(size=cells.z.shape)
    report = audit_latent(noise, context=cells.context, condition=cells.condition, reference=cells.z, settings=QUICK)
    assert report["kept"].verdict == "fail"
    assert report.decisive.name == "kept"
    alone = audit_latent(noise, context=cells.context, condition=cells.condition, settings=QUICK)
    assert alone["kept"].verdict in ("fail", "warn")


def test_gene_choice_on_all_cells_is_named(rng):
    cells = planted(rng, n_cells=800)
    steps = (FittedStep(name="gene choice", rows="all"), FittedStep(name="encoder", rows="train", split_hash="a" * 64))
    latent = Latent(z=cells.z, steps=steps, split_hash="a" * 64, trained=np.arange(800) < 600)
    report = audit_latent(latent, context=cells.context, condition=cells.condition, settings=QUICK)
    assert report["pipeline"].verdict == "fail"
    assert "Gene choice was fitted on all cells" in report["pipeline"].evidence


def test_copies_across_the_split_are_counted(rng):
    cells = planted(rng, n_cells=800)
    z = cells.z.copy()
    z[790:] = z[:10]
    latent = Latent(z=z, split_hash="a" * 64, trained=np.arange(800) < 700)
    report = audit_latent(latent, context=cells.context, condition=cells.condition, settings=QUICK)
    assert report["pipeline"].verdict == "fail"
    assert "10" in report["pipeline"].evidence


def test_cells_the_latent_was_fitted_on_are_not_read(rng):
    cells = planted(rng, n_cells=2_000)
    z = cells.z.copy()
    trained = np.arange(2_000) < 1_000
    z[~trained & (cells.context == "chip1"), 0] += 3  # hidden where it was trained, open elsewhere
    latent = Latent(z=z, trained=trained)
    report = audit_latent(latent, context=cells.context, condition=cells.condition, settings=QUICK)
    assert report["readout_within"].figures["n_read"] == 1_000
    assert report["readout_within"].effect > 0.95
    assert "1,000 cells on which the latent was fitted are not read" in report["design"].evidence


def test_over_erasure_is_a_finding_not_a_pass(rng):
    cells = planted(rng, n_cells=600, n_dims=60, n_conditions=1)
    z = cells.z.astype(float)
    second = cells.context == "chip1"
    # Means made equal on these very cells: a probe fitted on some of them then reads the others the wrong way round.
    z[second] += z[~second].mean(axis=0) - z[second].mean(axis=0)
    report = audit_latent(z, context=cells.context, settings=QUICK)
    check = report["readout_random"]
    assert min(p["auc"] for p in check.figures["probes"]) < 0.42
    assert check.verdict == "warn"
    assert "below chance" in check.evidence


def test_latents_side_by_side_share_folds(rng):
    cells = planted(rng, n_cells=500, shift=1.0)
    reports = audit_latents(
        {"a": cells.z, "b": 2 * cells.z + 3}, context=cells.context, condition=cells.condition, settings=QUICK
    )
    assert list(reports) == ["a", "b"]
    assert reports["a"]["readout_within"].effect == pytest.approx(reports["b"]["readout_within"].effect, abs=1e-3)
    assert reports["a"].fingerprint != reports["b"].fingerprint


def test_the_order_of_cells_and_the_names_of_contexts_do_not_matter_much(rng):
    cells = planted(rng, n_cells=700, shift=1.2)
    order = rng.permutation(700)
    a = audited(cells)
    b = audit_latent(
        cells.z[order],
        context=np.char.add("z", cells.context[order]),
        condition=cells.condition[order],
        settings=QUICK,
    )
    assert a.verdict == b.verdict == "fail"
    assert a["readout_within"].effect == pytest.approx(b["readout_within"].effect, abs=0.04)


def test_the_same_seed_gives_the_same_report_and_json_holds_it_all(rng):
    cells = planted(rng, n_cells=300)
    a, b = audited(cells), audited(cells)
    assert a.as_json() == b.as_json()
    back = AuditReport.from_json(a.as_json())
    assert back.as_json() == a.as_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: {"context": c.context[:-1]}, "context has 599 labels for the 600 cells"),
        (lambda c: {"context": np.where(np.arange(600) < 37, None, c.context)}, "37 of 600 cells have no context"),
        (
            lambda c: {"condition": np.where(np.arange(600) == 5, "", c.condition)},
            "1 of 600 cells have no condition.*cell 5",
        ),
        (lambda c: {"control": ["scramble"]}, "No label of 'condition' is 'scramble'"),
        (lambda c: {"reference": np.zeros((3, 2))}, r"reference has shape \(3, 2\)"),
        (lambda c: {"context": "chip"}, "carries no labels called 'chip'"),
    ],
)
def test_bad_labels_are_told(rng, change, message):
    cells = planted(rng, n_cells=600)
    given = {"context": cells.context, "condition": cells.condition} | change(cells)
    with pytest.raises(DataError, match=message):
        audit_latent(cells.z, **given, settings=QUICK)


def test_nan_in_z_is_told(rng):
    cells = planted(rng, n_cells=100)
    z = cells.z.copy()
    z[17, 3] = np.nan
    with pytest.raises(DataError, match=r"1 entries that are NaN or infinite, the first at \(17, 3\)"):
        audit_latent(z, context=cells.context)


def test_unlabelled_cells_can_be_left_out_and_are_counted(rng):
    cells = planted(rng, n_cells=600)
    context = np.where(np.arange(600) < 37, None, cells.context)
    report = audit_latent(cells.z, context=context, condition=cells.condition, drop_unlabelled=True, settings=QUICK)
    assert "37 cells without a label were left out" in report["design"].evidence
    assert report.fingerprint == Latent(z=cells.z).fingerprint


def test_one_context_has_nothing_to_leak(rng):
    cells = planted(rng, n_cells=300)
    report = audit_latent(cells.z, context=np.full(300, "only"), condition=cells.condition, settings=QUICK)
    assert report.verdict == "not_identifiable"
    assert "a leak needs two" in report["design"].evidence
    assert "readout_random" not in [c.name for c in report.checks]


def test_a_context_of_three_cells_is_left_out_and_named(rng):
    cells = planted(rng, n_cells=600)
    context = cells.context.astype(object)
    context[:3] = "tiny"
    report = audit_latent(cells.z, context=context, condition=cells.condition, settings=QUICK)
    assert report["design"].verdict == "warn"
    assert "'tiny' with 3" in report["design"].evidence
    assert report["readout_within"].figures["n_read"] == 597


def test_constant_dimensions_are_named_and_harmless(rng):
    cells = planted(rng, n_cells=600)
    z = np.c_[np.full(600, 7.0), cells.z]
    report = audit_latent(z, context=cells.context, condition=cells.condition, settings=QUICK)
    assert "1 of 17 dimensions are constant, the first is 0" in report["design"].evidence
    assert np.isfinite(report["readout_within"].effect)


def test_a_constant_latent_is_no_pass(rng):
    cells = planted(rng, n_cells=600)
    report = audit_latent(np.ones((600, 4)), context=cells.context, condition=cells.condition, settings=QUICK)
    assert report.verdict in ("fail", "underpowered")
    assert report["kept"].verdict == "fail"


def test_four_hundred_contexts(rng):
    cells = planted(rng, n_cells=4_000)
    context = np.array([f"well{i}" for i in np.arange(4_000) % 400])
    z = cells.z.copy()
    z[:, 0] += np.unique(context, return_inverse=True)[1] / 50
    clean = audit_latent(cells.z, context=context, condition=cells.condition, settings=QUICK)
    leaky = audit_latent(z, context=context, condition=cells.condition, settings=QUICK)
    assert "contexts: logistic, boosting" in clean["readout_within"].evidence
    assert clean["readout_within"].verdict == "pass"
    assert leaky["readout_within"].effect > clean["readout_within"].effect + 0.1
    assert leaky["readout_within"].figures["p_linear"] <= 0.02


def test_library_size_alone_can_be_the_leak(rng):
    cells = planted(rng, n_cells=1_000)
    size = np.exp(rng.normal(size=1_000) + 2.0 * (cells.context == "chip1"))
    z = np.c_[cells.z, np.log(size)]
    report = audit_latent(z, context=cells.context, condition=cells.condition, library_size=size, settings=QUICK)
    alone = report["readout_random"].figures["baselines"]["library_size"]
    assert alone == pytest.approx(report["readout_random"].effect, abs=0.05)
    assert "Library size alone gives" in report["readout_random"].evidence


@pytest.mark.parametrize(("name", "value"), [("leak_tolerance", 0.4), ("n_permutations", 3), ("confidence", 2.0)])
def test_settings_out_of_range_are_told(name, value):
    with pytest.raises(DataError, match=name):
        AuditSettings(**{name: value})
