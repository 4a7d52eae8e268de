"""The gate: what opens it, what does not, and what it says."""

from __future__ import annotations

import json
from math import nan

import pytest

from perturbridge.errors import DataError, LeakageError
from perturbridge.values import VERDICTS, AuditReport, Check

A, B = "a" * 64, "b" * 64


def check(verdict, name="readout", **more):
    given = {"question": "?", "evidence": "Seen.", "cure": "Mend it.", "effect": 0.8, "effect_name": "AUC"} | more
    return Check(name=name, verdict=verdict, **given)


def report(*checks, **more):
    return AuditReport(latent="pca", fingerprint=A, checks=checks, n_cells=10, n_dims=2, **more)


@pytest.mark.parametrize("grave", VERDICTS[1:])
@pytest.mark.parametrize("mild", VERDICTS[1:])
def test_the_gravest_gating_verdict_counts(grave, mild):
    found = report(check(grave, "one"), check(mild, "two")).verdict
    assert VERDICTS.index(found) == max(VERDICTS.index(grave), VERDICTS.index(mild))


def test_checks_that_do_not_gate_do_not_count():
    assert report(check("fail", gates=False), check("pass", "two")).verdict == "pass"


def test_no_answer_is_no_pass():
    assert report(check("info", gates=False)).verdict == "not_identifiable"


@pytest.mark.parametrize(
    ("verdict", "any_pairs", "within"),
    [
        ("pass", True, True),
        ("warn", True, True),
        ("underpowered", False, True),
        ("not_identifiable", False, True),
        ("fail", False, False),
    ],
)
def test_which_pairs_a_verdict_allows(verdict, any_pairs, within):
    for pairs, allowed in (("any pairs", any_pairs), ("within context", within)):
        if allowed:
            assert report(check(verdict)).require(A, pairs=pairs).verdict == verdict
        else:
            with pytest.raises(LeakageError, match=verdict):
                report(check(verdict)).require(A, pairs=pairs)


def test_a_refusal_names_check_figure_threshold_and_cure():
    with pytest.raises(LeakageError) as caught:
        report(check("fail", low=0.7, high=0.9, threshold=0.6)).require()
    assert "readout (AUC 0.800 [0.700, 0.900], tolerated 0.600)" in caught.value.problem
    assert caught.value.cure == "Mend it."


def test_another_latent_is_refused_though_the_report_passes():
    with pytest.raises(LeakageError, match=r"aaaaaaaaaaaa.*not of this one.*bbbbbbbbbbbb"):
        report(check("pass")).require(B)


def test_an_override_opens_the_gate_and_stays_visible():
    opened = report(check("fail")).overridden(" the chip is the biology here ")
    assert opened.require(A).override == "the chip is the biology here"
    assert opened.verdict == "fail"
    with pytest.raises(LeakageError):
        opened.require(B)
    with pytest.raises(DataError, match="no reason"):
        report(check("fail")).overridden("  ")


def test_json_holds_everything_and_no_nan():
    one = report(check("warn", figures={"table": [1, 2]}, p=nan), settings={"seed": 3}, override="because")
    text = json.dumps(one.as_json(), allow_nan=False)
    assert AuditReport.from_json(json.loads(text)).as_json() == one.as_json()


@pytest.mark.parametrize("broken", [{}, {"checks": [{"name": "x"}]}, {"checks": 3}])
def test_what_is_no_audit_is_told(broken):
    with pytest.raises(DataError, match="not an audit"):
        AuditReport.from_json(broken)


def test_doubled_checks_are_refused():
    with pytest.raises(DataError, match="unique names"):
        report(check("pass"), check("pass"))
