"""Nobody waits for `--help`: CPU seconds of whole processes, the least of five, since other work can only add."""

from __future__ import annotations

import pytest
from tests.benchmarks._startup import CALLS, cpu_seconds


@pytest.mark.parametrize(("call", "limit"), [("import perturbridge", 0.15), ("perturbridge --help", 0.4)])
def test_start_up_stays_within_its_budget(call, limit):
    assert min(cpu_seconds(CALLS[call]) for _ in range(5)) < limit
