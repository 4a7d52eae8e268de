"""How often the audit is right: a small form of `python -m tests.benchmarks audit_rates`."""

from __future__ import annotations

import pytest
from tests.benchmarks._audit_rates import CLEAN, HELD_OUT, LEAKY, verdicts


@pytest.mark.slow
@pytest.mark.parametrize("name", ["300 cells", "4,000 cells, V .8 with condition", "4,000 cells, t2 tails"])
def test_no_leak_does_not_fail(name):
    found = verdicts(CLEAN[name], 2)
    assert found["fail"] == 0
    # The strongest of four probes on 300 cells stands a standard error or two above chance.
    assert found["auc"] < (0.57 if CLEAN[name]["n_cells"] >= 4_000 else 0.65)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["300 cells, leak", "4,000 cells, leak", "4,000 cells, 1:20, leak"])
def test_a_leak_does_not_pass(name):
    assert verdicts(LEAKY[name], 2)["pass"] == 0


@pytest.mark.slow
def test_two_samples_are_too_few_to_pass():
    found = verdicts(HELD_OUT["2 samples per context"], 3, held_out=True)
    assert found["underpowered"] + found["fail"] + found["warn"] == 1
    assert found["fail"] == 0
