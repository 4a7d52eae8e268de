"""Nothing is aligned before a passing audit of that very latent, and nothing but training rows enters."""

import numpy as np
import pytest

from perturbridge.errors import DataError, LeakageError
from perturbridge.transport import AlignmentSettings, align_latent
from perturbridge.values import AuditReport, Check, Latent

FAST = AlignmentSettings(n_null=2, n_draws=19, min_controls=20)


def latent_of(seed=0, *, n=240, split_hash="", trained=None):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3)) + np.where(np.arange(n) < n // 2, 0.0, 2.0)[:, None]
    return Latent(z=z, name="pca", split_hash=split_hash, trained=trained)


CONDITION = np.repeat(["control", "A", "B"], [120, 60, 60])
BATCH = np.tile(["b0", "b1"], 120)


def audit_of(latent, verdict):
    check = Check(
        name="readout", question="?", verdict=verdict, evidence="Batches can be read.", cure="Disentangle and audit again.",
        effect=0.9, effect_name="AUC", threshold=0.6,
    )  # fmt: skip
    return AuditReport(latent=latent.name, fingerprint=latent.fingerprint, checks=(check,), n_cells=240, n_dims=3)


def align(latent, audit, **more):
    return align_latent(latent, audit=audit, condition=CONDITION, context=BATCH, settings=FAST, **more)


@pytest.mark.parametrize("verdict", ["pass", "warn"])
def test_a_passing_audit_opens_the_gate_and_is_written_down(verdict):
    latent = latent_of()
    moved = align(latent, audit_of(latent, verdict))
    assert moved.audit["verdict"] == verdict
    assert moved.audit["check"] == "readout"
    assert moved.audit["override"] == ""
    assert moved.fingerprint == latent.fingerprint


def test_the_report_of_another_latent_is_refused():
    with pytest.raises(LeakageError, match="not of this one"):
        align(latent_of(1), audit_of(latent_of(0), "pass"))


def test_a_failing_report_is_refused_with_the_check_and_the_cure():
    latent = latent_of()
    with pytest.raises(LeakageError, match=r"fail: readout \(AUC 0.900, tolerated 0.600\)") as caught:
        align(latent, audit_of(latent, "fail"))
    assert caught.value.cure == "Disentangle and audit again."


def test_an_override_of_the_report_opens_the_gate_and_stays_visible():
    latent = latent_of()
    moved = align(latent, audit_of(latent, "fail").overridden("one batch only"))
    assert moved.audit["override"] == "one batch only"
    assert moved.audit["verdict"] == "fail"


def test_an_override_without_a_report_stays_visible():
    moved = align(latent_of(), "override: nothing to audit")
    assert moved.audit["override"] == "nothing to audit"
    assert moved.audit["verdict"] == "not audited"


@pytest.mark.parametrize("audit", ["", "override", "override:", "override:  ", "pass", "yes"])
def test_an_override_needs_a_reason(audit):
    with pytest.raises(DataError, match="audit is"):
        align(latent_of(), audit)


@pytest.mark.parametrize("verdict", ["underpowered", "not_identifiable"])
def test_a_design_that_cannot_answer_allows_pairs_of_one_context_alone(verdict):
    latent = latent_of()
    moved = align(latent, audit_of(latent, verdict))
    assert {context for context, _ in moved.strata} == {"b0", "b1"}
    assert moved.settings["within_context"]
    assert all(plan.same_context == pytest.approx(1.0) for plan in moved.plans if plan.level == "plan")
    whole = align(latent, audit_of(latent, "pass"))
    assert {context for context, _ in whole.strata} == {""}


def test_a_latent_fitted_under_another_split_is_refused():
    latent = latent_of(split_hash="a" * 64, trained=np.ones(240, dtype=bool))
    with pytest.raises(LeakageError, match=r"split aaaaaaaaaaaa, this is split bbbbbbbbbbbb"):
        align(latent, audit_of(latent, "pass"), split_hash="b" * 64)
    moved = align(latent, audit_of(latent, "pass"), split_hash="a" * 64)
    moved.require_split("a" * 64)
    with pytest.raises(LeakageError):
        moved.require_split("b" * 64)


def test_cells_that_did_not_train_enter_nothing():
    trained = np.random.default_rng(3).random(240) < 0.7
    one = latent_of(split_hash="a" * 64, trained=trained)
    other = np.where(trained[:, None], one.z, 1e3 * np.random.default_rng(4).normal(size=one.z.shape))
    two = Latent(z=other, name="pca", split_hash="a" * 64, trained=trained)
    batch = np.where(trained, BATCH, "elsewhere")
    left = align(one, audit_of(one, "pass"))
    right = align_latent(two, audit=audit_of(two, "pass"), condition=CONDITION, context=batch, settings=FAST)
    cells = one.z[trained]
    for name in ("A", "B"):
        moved = [a.displacement(cells, name, context=BATCH[trained]) for a in (left, right)]
        assert (moved[0] == moved[1]).all()
        assert left.report(name).as_json() == right.report(name).as_json()
    assert [plan.as_json() for plan in left.plans] == [plan.as_json() for plan in right.plans]
    assert (left.centres == right.centres).all()


def test_a_perturbation_with_test_cells_alone_is_refused_by_name_and_left_out_unnamed():
    trained = CONDITION != "B"
    latent = latent_of(split_hash="a" * 64, trained=trained)
    assert [str(name) for name in align(latent, audit_of(latent, "pass")).perturbations] == ["A"]
    with pytest.raises(DataError, match="no training cells, the first is 'B'"):
        align(latent, audit_of(latent, "pass"), perturbations=["A", "B"])
