from __future__ import annotations

import numpy as np
from tests.screens._planted import planted

from perturbridge.screens import describe_screen, read_screen
from perturbridge.screens._confounding import cells_by_context


def test_cells_are_counted_as_they_stand():
    data = planted(2)
    screen = data.screen()
    brute = np.zeros((7, 4), dtype=int)
    for p, b in zip(data.codes, data.contexts, strict=True):
        if p >= 0 and b >= 0:
            brute[p, b] += 1
    np.testing.assert_array_equal(cells_by_context(screen), brute)


def test_a_confounded_screen_is_warned_of_and_a_balanced_one_is_not(make_adata):
    labels = ["ctrl"] * 12 + ["A"] * 18 + ["B"] * 18
    apart = ["x", "y"] * 6 + ["x"] * 18 + ["y"] * 18
    told = describe_screen(read_screen(make_adata(labels, obs={"batch": apart})))
    assert told["confounding"]["cramers_v"] > 0.9
    assert told["confounding"]["in_one_context"] == ["A", "B"]
    (finding,) = [f for f in told["findings"] if f["code"] == "confounded_with_context"]
    assert (finding["level"], finding["count"], finding["example"]) == ("warning", 2, "A")
    even = describe_screen(read_screen(make_adata(labels, obs={"batch": ["x", "y"] * 24})))
    assert even["confounding"]["cramers_v"] < 0.1
    assert "confounded_with_context" not in [f["code"] for f in even["findings"]]
