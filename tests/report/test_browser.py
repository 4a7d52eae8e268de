"""The page in a real browser: it draws, sorts, filters, fits a phone, prints, and runs nothing that a name brings along."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from perturbridge.plotting import figure_svg, plot_forest
from perturbridge.report import Card, Figure, Report, Section, Table, render_report

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
FORMULA = "=cmd()|' /C calc'!A0"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--virtual-time-budget=3000",
]
PROBE = """
<script>
addEventListener("load", function () {
  var table = document.querySelector("table"), head = table.tHead.rows[0].cells[1];
  head.click();
  var down = Array.from(table.tBodies[0].rows).map(function (row) { return row.cells[1].textContent; }).join();
  head.click();
  var up = Array.from(table.tBodies[0].rows).map(function (row) { return row.cells[1].textContent; }).join();
  var input = document.querySelector("input.filter");
  input.value = "gene7";
  input.dispatchEvent(new Event("input"));
  var left = Array.from(table.tBodies[0].rows).filter(function (row) { return !row.hidden; }).length;
  var root = document.documentElement;
  document.body.setAttribute("data-found", JSON.stringify({
    down: down, up: up, left: left, title: document.title, wide: root.scrollWidth - root.clientWidth,
    svg: document.querySelector("svg").getBoundingClientRect().width, images: document.images.length,
    scripts: document.scripts.length, folded: document.querySelector("details").open,
  }));
});
</script>
"""


@pytest.fixture(scope="session")
def browser() -> str:
    """A Chromium; in CI a missing one is a failure, not a skip."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )
    if not found and os.environ.get("PERTURBRIDGE_NO_SKIP"):
        pytest.fail("no chromium: the report must be looked at in CI")
    if not found:
        pytest.skip("no chromium to look at the report with")
    return found


@pytest.fixture(scope="module")
def html() -> str:
    rows = tuple((f"gene{i}", f"{(7 * i) % 20 - 3}.5") for i in range(20))
    names = ["ours", HOSTILE, "$x_{1}$"]
    ax = plot_forest(
        names, [0.1, 0.2, 0.3], lower=[0, 0.1, 0.2], upper=[0.2, 0.3, 0.4], title=HOSTILE, higher_is_better=True
    )
    figure = Figure(svg=figure_svg(ax), caption=HOSTILE)
    sections = (
        Section(
            title="Numbers",
            tables=(
                Table(columns=("name", "#value"), rows=((HOSTILE, "–"), (FORMULA, "1,000"), *rows), searchable=True),
            ),
            cards=(Card(label=HOSTILE, value="0.1 [0.0, 0.2]", note=FORMULA, tone="good"),),
        ),
        Section(title=HOSTILE, sentences=(HOSTILE,), warnings=(FORMULA,), alarms=(HOSTILE,), figures=(figure,)),
        Section(title="More", sentences=("Folded",), folded=True),
    )
    return render_report(Report(title=HOSTILE, answer=HOSTILE, sections=sections, footer=FORMULA))


def drive(browser: str, page: Path, *arguments: str) -> str:
    """Run the browser on a page of its own profile, and give what it prints."""
    profile = page.parent / "profile"
    done = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={profile}", *arguments, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "HOME": str(page.parent)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("size", ["1280,900", "500,900"])
def test_the_page_works_on_a_desk_and_on_a_phone(browser, html, tmp_path, size):
    import json
    from html import unescape

    # The probe is let in by the test alone: the policy of the page knows only the script of the page.
    policy = re.search(r"script-src [^\"]*", html)[0]
    allowed = html.replace(policy, "script-src 'unsafe-inline'")
    page = tmp_path / "page.html"
    page.write_text(allowed.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    dom = drive(browser, page, f"--window-size={size}", "--dump-dom")
    found = json.loads(unescape(re.search(r'data-found="([^"]*)"', dom)[1]))
    numbers = [
        [float(text.replace(",", "")) for text in found[way].split(",") if text != "–"] for way in ("down", "up")
    ]
    assert found["down"].endswith("–")
    assert found["up"].endswith("–") or found["up"].startswith("–")
    assert len(numbers[0]) >= 21
    assert found["left"] == 1
    assert found["title"] == HOSTILE
    assert found["wide"] <= 0
    assert 50 < found["svg"] <= int(size.split(",")[0])
    assert found["images"] == 0
    assert found["scripts"] == 2


def test_the_policy_lets_our_script_run_and_no_other(browser, html, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(html.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    dom = drive(browser, page, "--dump-dom")
    assert 'data-found="' not in dom
    assert 'class="number sorts"' in dom or 'class="sorts"' in dom


def test_it_prints(browser, html, tmp_path):
    page, pdf = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(html, encoding="utf-8")
    drive(browser, page, f"--print-to-pdf={pdf}", "--no-pdf-header-footer")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert pdf.stat().st_size > 10_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_differ_and_are_drawn(browser, html, tmp_path, scheme):
    from matplotlib.image import imread

    page, shot = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(html, encoding="utf-8")
    preferred = "0" if scheme == "dark" else "1"
    drive(
        browser,
        page,
        "--window-size=800,600",
        f"--blink-settings=preferredColorScheme={preferred}",
        f"--screenshot={shot}",
    )
    ground = imread(shot)[:, :, :3].mean()
    assert (ground < 0.3) == (scheme == "dark"), ground
