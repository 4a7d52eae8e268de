"""`inspect` as a stranger uses it: read the page, copy its last line, get a report."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import anndata as ad
import pytest

from perturbridge.cli import main

SCREENS = ["norman2019_k562_crispra", "papalexi2021_thp1_eccite", "adamson2016_mini"]


def last_line(text):
    (line,) = [line for line in text.splitlines() if line.startswith("Next: ")]
    assert line == text.splitlines()[-1]
    return shlex.split(line.removeprefix("Next: "))


@pytest.mark.parametrize("name", SCREENS)
def test_the_last_line_of_a_real_screen_gives_a_report(name, data_dir, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = call("inspect", data_dir / "screens" / f"{name}.h5ad")
    assert ended.status == 0, ended.err
    program, *words = last_line(ended.out)
    assert program == "perturbridge"
    assert main(words) == 0
    assert (tmp_path / "runs" / name / "report.html").stat().st_size > 10_000
    # The command asked for anew names a folder that is not taken.
    assert last_line(call("inspect", data_dir / "screens" / f"{name}.h5ad").out)[-1] == f"runs/{name}-2"


def test_the_forecast_is_within_its_factor(data_dir, call, tmp_path):
    told = json.loads(call("inspect", data_dir / "screens" / "adamson2016_mini.h5ad", "--json").out)["forecast"]
    screen = data_dir / "screens" / "adamson2016_mini.h5ad"
    # Asked of itself: what the system tells of a child holds the memory of the process it was forked from.
    code = (
        "import resource, sys; from perturbridge.cli import main; from tests.benchmarks._contender import peak_mb; "
        f"main(['run', {str(screen)!r}, '--no-cell-level', '-o', {str(tmp_path / 'a')!r}]); used = resource.getrusage(resource.RUSAGE_SELF); "
        "print(peak_mb(), used.ru_utime + used.ru_stime)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    peak_mb, cpu_seconds = map(float, done.stdout.splitlines()[-1].split())
    assert 0.5 < told["memory_bytes"] / (peak_mb * 1e6) < 2
    assert 0.25 < told["cpu_seconds"] / cpu_seconds < 4


@pytest.fixture
def odd_screen(screen):
    """A screen in which nothing is called as usual."""
    adata = ad.read_h5ad(screen)
    adata.layers["my counts"] = adata.X.copy()
    adata.X.data[:] = 0.5
    adata.obs = adata.obs.rename(columns={"perturbation": "what was done", "context": "day"})
    adata.obs["what was done"] = adata.obs["what was done"].cat.rename_categories({"control": "it's nothing"})
    path = screen.parent / "odd screen; rm -rf.h5ad"
    adata.write_h5ad(path)
    return path


def test_the_next_command_repeats_what_was_asked(odd_screen, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = ["--perturbation", "what was done", "--control", "it's nothing", "--context", "day", "--place", "my counts"]
    ended = call("inspect", odd_screen, *asked, "-e", "pathways", "-e", "go_words")
    assert ended.status == 0, ended.err
    words = last_line(ended.out)
    assert words[:3] == ["perturbridge", "run", str(odd_screen)]
    for option, value in zip(asked[::2], asked[1::2], strict=True):
        assert words[words.index(option) + 1] == value
    assert [words[i + 1] for i, word in enumerate(words) if word == "-e"] == ["pathways", "go_words"]
    assert words[-1] == "runs/odd_screen__rm_-rf"
    assert main([*words[1:], "--folds", "2"]) == 0


def test_the_page_says_what_json_says(made_screen, call):
    page, told = call("inspect", made_screen), json.loads(call("inspect", made_screen, "--json").out)
    for title in ("What is in it", "Perturbations", "Contexts", "A run of it", "How it is read, and why", "Embeddings"):
        assert title in page.out
    assert f"{told['n_perturbations']}: {told['n_single_genes']} single genes" in page.out
    smallest = next(iter(told["smallest_perturbations"].items()))
    assert f"{smallest[0]} {smallest[1]}" in page.out
    assert told["next"] in page.out
    assert f"{told['confounding']['cramers_v']:.2f}" in page.out
    assert all(sentence[:60] in page.out for sentence in told["explanation"])


def test_a_perturbation_of_one_cell_is_dropped_by_the_next_command(made_screen, call, tmp_path):
    adata = ad.read_h5ad(made_screen)
    first = adata.obs["perturbation"].astype(str)
    kept = ~((first == "TP53") & first.duplicated()) & (first != "")
    name = first[first != "control"].iloc[0]
    drop = (first == name) & first.duplicated()
    adata[(kept & ~drop).to_numpy()].copy().write_h5ad(tmp_path / "few.h5ad")
    told = json.loads(call("inspect", tmp_path / "few.h5ad", "--json").out)
    assert told["cells_per_perturbation"]["below_2"] == 1
    assert "--drop-small" in told["next"]


def test_controls_of_several_kinds_stand_in_rows_of_their_own(screen, call):
    adata = ad.read_h5ad(screen)
    label = adata.obs["perturbation"].astype(object).to_numpy()
    control = (label == "control").nonzero()[0]
    label[control[::2]], label[control[1::2]] = "non-targeting", "INTERGENIC1"
    adata.obs["perturbation"] = label
    path = screen.parent / "kinds.h5ad"
    adata.write_h5ad(path)
    ended = call("inspect", path)
    assert ended.status == 0, ended.err
    page = " ".join(ended.out.split())
    assert f"other controls kept apart and never predicted: intergenic {len(control) // 2}" in page
    told = json.loads(call("inspect", path, "--control", "intergenic", "--json").out)
    assert [(row["kind"], row["role"]) for row in told["control_kinds"]] == [
        ("intergenic", "baseline"),
        ("non-targeting", "apart"),
    ]
    assert "--control intergenic" in told["next"]
