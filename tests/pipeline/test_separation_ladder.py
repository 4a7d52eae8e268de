"""The search for a strength stops at the mildest setting that passes."""

from types import SimpleNamespace

import pytest

from perturbridge.errors import FitError
from perturbridge.pipeline import climb_separations, separation_ladder


def climb(verdicts):
    ladder, asked = separation_ladder(), []
    fit = lambda separations: asked.append(separations) or len(asked) - 1  # noqa: E731
    return climb_separations(ladder, fit=fit, audit=lambda i: SimpleNamespace(verdict=verdicts[i])), ladder, asked


def test_it_stops_at_the_first_that_passes():
    found, ladder, asked = climb(["fail", "warn", "pass", "pass", "pass"])
    assert asked == list(ladder[:3])
    assert found.passed.separations == ladder[2]
    assert [rung.report.verdict for rung in found.rungs] == ["fail", "warn", "pass"]


def test_none_passes():
    found, ladder, asked = climb(["fail"] * 4 + ["warn"])
    assert asked == list(ladder)
    assert found.passed is None


def test_the_ladder_starts_with_nothing_and_grows():
    ladder = separation_ladder()
    assert ladder[0] == ()
    totals = [sum(s.strength for s in rung) for rung in ladder]
    assert totals == sorted(totals)
    assert len(set(ladder)) == len(ladder)


def test_an_empty_ladder_is_refused():
    with pytest.raises(FitError, match="no rung"):
        climb_separations((), fit=lambda s: s, audit=lambda z: z)
