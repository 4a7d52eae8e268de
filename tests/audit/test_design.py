"""What labels alone say about what can be tested."""

from __future__ import annotations

import numpy as np
import pytest
from tests.audit._planted import subject_of

from perturbridge.audit._design import check_design, read_design
from perturbridge.audit._settings import AuditSettings


def design_of(n=400, **labels):
    z = np.random.default_rng(0).normal(size=(n, 3))
    subject = subject_of(z, **labels)
    return subject, read_design(subject, AuditSettings())


def test_two_samples_per_context_say_a_third():
    context = np.repeat(["a", "b"], 200)
    sample = np.repeat(["s1", "s2", "s3", "s4"], 100)
    subject, design = design_of(context=context, sample=sample)
    assert design.relation == "nested"
    assert design.samples_per_context == (2, 2)
    assert design.attainable_p == pytest.approx(1 / 3)
    assert "cannot give a p below 0.333" in check_design(subject, design, AuditSettings()).evidence


def test_crossed_samples_are_told_from_nested():
    _, design = design_of(context=np.tile(["a", "b"], 200), sample=np.repeat(["s1", "s2"], 200))
    assert design.relation == "crossed"


def test_a_sample_per_context_cannot_be_told_apart():
    context = np.repeat(["a", "b"], 200)
    subject, design = design_of(context=context, sample=np.char.add("s", context))
    assert design.relation == "same"
    assert "cannot be told apart" in check_design(subject, design, AuditSettings()).evidence


def test_strata_of_one_context_are_not_informative():
    context = np.repeat(["a", "b"], 200)
    condition = np.r_[np.repeat(["control", "g1"], 100), np.repeat(["control", "g2"], 100)]
    subject, design = design_of(context=context, condition=condition)
    assert design.informative == pytest.approx(0.5)
    assert check_design(subject, design, AuditSettings()).verdict == "info"
    _, design = design_of(context=context, condition=np.char.add("p", context))
    assert design.informative == 0
