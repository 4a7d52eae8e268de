"""The report: one file, nothing from outside, hostile names harmless."""

from __future__ import annotations

import base64
import hashlib
import re

from perturbridge.report import Card, Figure, Report, Section, Table, render_report

HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"


def page() -> str:
    table = Table(columns=("gene", "#value"), rows=((HOSTILE, "1.0"), ("B", "2.0")), strong=1)
    section = Section(
        title=HOSTILE,
        sentences=(HOSTILE,),
        warnings=(HOSTILE,),
        alarms=(HOSTILE,),
        cards=(Card(label=HOSTILE, value=HOSTILE, note=HOSTILE),),
        tables=(table,),
        figures=(Figure(svg="<svg></svg>", caption=HOSTILE),),
    )
    return render_report(Report(title=HOSTILE, answer=HOSTILE, sections=(section,), footer=HOSTILE))


def test_hostile_names_are_escaped_everywhere():
    html = page()
    # One script, ours, behind the last word of the page.
    assert html.count("<script") == 1
    assert html.index("<script") > html.index("<footer>")
    assert html.count("&lt;script&gt;") == 14
    assert "{{ 7*7 }}" in html


def test_page_asks_for_nothing_from_outside():
    html = page()
    assert "default-src 'none'" in html
    assert not re.search(r"src\s*=|href\s*=\s*\"(?!#)|url\(|@import|https?://", html)


def test_the_policy_names_our_script_by_its_hash():
    html = page()
    script = re.search(r"<script>(.*)</script>", html, flags=re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html


def test_numbers_stand_right_and_the_strong_row_is_marked():
    html = page()
    assert '<th scope="col" class="number">value</th>' in html
    assert '<tr class="strong"><td>B</td><td class="number">2.0</td></tr>' in html


def test_folded_sections_long_tables_and_tones():
    rows = tuple((f"g{i}",) for i in range(20))
    section = Section(
        title="More",
        folded=True,
        cards=(Card(label="l", value="v", note="n", tone="bad"),),
        tables=(Table(columns=("gene",), rows=rows, searchable=True, title="All of them"),),
    )
    html = render_report(Report(title="t", answer="a", sections=(section,), footer="f"))
    assert "<details><summary><h2>More</h2></summary>" in html
    assert '<div class="card bad">' in html
    assert "▼" in html
    assert "<caption>All of them</caption>" in html
    assert 'class="scroll tall"' in html
    assert 'data-table="t1-1"' in html
