"""The report: one file, nothing from outside, hostile names harmless."""

from __future__ import annotations

import re

from perturbridge.report import Figure, Report, Section, Table, render_report

HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"


def page() -> str:
    table = Table(columns=("gene", "#value"), rows=((HOSTILE, "1.0"), ("B", "2.0")), strong=1)
    section = Section(
        title=HOSTILE,
        sentences=(HOSTILE,),
        warnings=(HOSTILE,),
        tables=(table,),
        figures=(Figure(svg="<svg></svg>", caption=HOSTILE),),
    )
    return render_report(Report(title=HOSTILE, answer=HOSTILE, sections=(section,), footer=HOSTILE))


def test_hostile_names_are_escaped_everywhere():
    html = page()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 9
    assert "{{ 7*7 }}" in html


def test_page_asks_for_nothing_from_outside():
    html = page()
    assert "default-src 'none'" in html
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|https?://", html)


def test_numbers_stand_right_and_the_strong_row_is_marked():
    html = page()
    assert '<th class="number">value</th>' in html
    assert '<tr class="strong"><td>B</td><td class="number">2.0</td></tr>' in html
