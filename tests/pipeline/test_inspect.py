"""A run held against a budget of memory."""

from __future__ import annotations

import pytest

from perturbridge.errors import DataError
from perturbridge.pipeline._inspect import check_memory, forecast
from perturbridge.screens import simulate


@pytest.mark.parametrize(("memory", "said"), [("1MB", "refused"), ("300MB", "near"), ("64GB", "")])
def test_a_run_is_held_against_a_budget_before_it_starts(memory, said):
    screen = simulate.endless_screen(2000, n_genes=200, n_conditions=20, n_contexts=2)
    if said == "refused":
        with pytest.raises(DataError, match=r"takes about .* of memory, give or take a factor of 2; 1 MB are allowed"):
            check_memory(screen, [], folds=5, memory=memory)
        return
    told, findings = check_memory(screen, [], folds=5, memory=memory)
    assert told.total == forecast(screen, [], folds=5)["memory_bytes"]
    assert [finding.code for finding in findings] == (["memory"] if said else [])
