"""The same bits for any workers, any memory and any interruption."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests._spread import KillsOne, small_cluster
from tests.screens._planted import planted
from tests.screens.summing.test_pseudobulk import bits

from perturbridge.errors import DataError
from perturbridge.screens import forecast_pseudobulk, pseudobulk, read_screen, simulate, write_screen
from perturbridge.screens.summing import _kept, _plan
from perturbridge.workers import _interface

if TYPE_CHECKING:
    from pathlib import Path

    from perturbridge.values import Screen


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("spread") / "screen.h5ad"
    simulate.write_large(file, n_cells=3000, n_genes=80, n_conditions=20, n_contexts=5, density=0.3)
    return file


@pytest.fixture(scope="module")
def screen(path: Path) -> Screen:
    return read_screen(path)


@pytest.fixture(scope="module")
def one(screen: Screen) -> tuple:
    return bits(pseudobulk(screen))


def test_any_workers_give_the_same_bits(screen: Screen, one: tuple, elsewhere: object) -> None:
    assert bits(pseudobulk(screen, client=elsewhere)) == one


@pytest.mark.parametrize("n", [1, 3, 7])
def test_any_number_of_workers_gives_the_same_bits(screen: Screen, one: tuple, n: int) -> None:
    with ThreadPoolExecutor(n) as executor:
        assert bits(pseudobulk(screen, client=executor)) == one


def test_a_cluster_gives_the_same_bits_even_when_a_worker_is_killed(
    screen: Screen, one: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_interface, "KEEP_SECONDS", 0.0)
    with small_cluster() as client:
        kills, kept = KillsOne(client), tmp_path / "kept"
        assert bits(pseudobulk(screen, client=client, chunk_rows=40, checkpoint=kept, progress=kills)) == one
        assert kills.killed_at
        assert not kept.exists()


@pytest.mark.parametrize("kind", ["counts", "log1p"])
@pytest.mark.parametrize("passes", [2, 3, 11])
def test_blocks_of_genes_give_the_same_bits(
    kind: str, passes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process_pool: ProcessPoolExecutor
) -> None:
    data = planted(4, kind=kind)
    screen = data.screen()
    whole = bits(pseudobulk(screen, on_few="drop"))
    _in_blocks(monkeypatch, passes)
    seen: list[tuple[int, int]] = []
    told = pseudobulk(
        screen, on_few="drop", memory="1GB", checkpoint=tmp_path, progress=lambda *step: seen.append(step)
    )
    assert bits(told) == whole
    assert seen[-1] == (passes * screen.n_cells, passes * screen.n_cells)
    assert bits(pseudobulk(screen, on_few="drop", memory="1GB", client=process_pool)) == whole


def _in_blocks(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    def planned(screen: Screen, frame: _plan.Frame, **_: object) -> _plan.SumPlan:
        genes = frame.n_genes
        blocks = tuple((genes * i // n, genes * (i + 1) // n) for i in range(n))
        told = _plan.Forecast(step="Pseudo-bulk", parts={})
        return _plan.SumPlan(blocks=blocks, chunk_values=500, scratch_bytes=0, forecast=told)

    monkeypatch.setattr("perturbridge.screens.summing._pseudobulk.plan_sums", planned)


def test_fractional_counts_are_counted_once_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    data = planted(5)
    values = data.values.copy()
    values[::7, 3] += 0.5
    screen = type(data)(**{**vars(data), "values": values}).screen()
    whole = pseudobulk(screen)
    assert any(f.code == "non_integral_counts" for f in whole.findings)
    _in_blocks(monkeypatch, 4)
    assert pseudobulk(screen).findings == whole.findings


class Stopped(Exception):  # noqa: N818
    """What ends a pass in these tests."""


@pytest.mark.parametrize("stops", [(700,), (1,), (300, 900, 2100), (2999,)])
def test_an_interrupted_pass_goes_on_where_it_was(
    screen: Screen, one: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: tuple[int, ...]
) -> None:
    monkeypatch.setattr(_interface, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(_interface, "KEEPING_SHARE", 1e9)
    read = []
    kept = tmp_path / "kept"
    for stop in stops:

        def told(done: int, _: int, stop: int = stop) -> None:
            read.append(done)
            if done >= stop:
                raise Stopped

        with pytest.raises(Stopped):
            pseudobulk(screen, chunk_rows=50, checkpoint=kept, progress=told)
        assert list(kept.glob("sums-*.npz")) or stop <= 50
    first: list[int] = []
    assert bits(pseudobulk(screen, chunk_rows=50, checkpoint=kept, progress=lambda done, _: first.append(done))) == one
    if stops[-1] > 100:
        # The next cell is not the first one of the screen.
        assert first[0] > 100
    assert not kept.exists()


def test_what_one_process_kept_workers_go_on_from_and_back(
    screen: Screen, one: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process_pool: ProcessPoolExecutor
) -> None:
    monkeypatch.setattr(_interface, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(_interface, "KEEPING_SHARE", 1e9)

    def stop_at(cell: int):
        def told(done: int, _: int) -> None:
            if done >= cell:
                raise Stopped

        return told

    for cell, client in ((500, None), (1800, process_pool), (2500, None)):
        with pytest.raises(Stopped):
            pseudobulk(screen, chunk_rows=50, checkpoint=tmp_path, client=client, progress=stop_at(cell))
    assert bits(pseudobulk(screen, checkpoint=tmp_path, client=process_pool)) == one


def test_sums_of_another_screen_are_refused(screen: Screen, tmp_path: Path) -> None:
    _, frame = _framed(screen)
    kept = _kept.Kept.open(tmp_path, "another mark")
    kept.load(frame)[1](_kept.Accumulator.zeros(frame))
    with pytest.raises(DataError, match="sums of another screen"):
        pseudobulk(screen, checkpoint=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_broken_file_of_sums_is_named(screen: Screen, tmp_path: Path) -> None:
    (tmp_path / "sums-0-80-000.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"sums-0-80-000\.npz holds no sums of ours"):
        pseudobulk(screen, checkpoint=tmp_path)


def test_other_files_in_the_folder_stay(screen: Screen, one: tuple, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert bits(pseudobulk(screen, checkpoint=tmp_path)) == one
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_that_changed_begins_anew_only_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_interface, "KEEP_SECONDS", 0.0)
    file, kept = tmp_path / "screen.h5ad", tmp_path / "kept"
    simulate.write_large(file, n_cells=300, n_genes=20, n_conditions=4, n_contexts=2, density=0.3)

    def stop(done: int, _: int) -> None:
        if done > 150:
            raise Stopped

    with pytest.raises(Stopped):
        pseudobulk(read_screen(file), chunk_rows=50, checkpoint=kept, progress=stop)
    simulate.write_large(file, n_cells=300, n_genes=20, n_conditions=4, n_contexts=2, density=0.3)
    with pytest.raises(DataError, match="before its file or its labels changed"):
        pseudobulk(read_screen(file), checkpoint=kept)


def test_cells_in_memory_are_sent_to_the_workers(process_pool: ProcessPoolExecutor) -> None:
    data = planted(6)
    assert bits(pseudobulk(data.screen(), client=process_pool)) == bits(pseudobulk(data.screen()))


def test_a_slow_disk_changes_nothing_but_the_time(screen: Screen, one: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = type(screen.source).read_rows

    def slow(self: object, start: int, stop: int) -> object:
        time.sleep(0.05 if start % 200 else 0.2)
        return fast(self, start, stop)

    monkeypatch.setattr(type(screen.source), "read_rows", slow)
    seen: list[int] = []
    with ThreadPoolExecutor(3) as executor:
        told = pseudobulk(screen, client=executor, chunk_rows=100, progress=lambda done, _: seen.append(done))
    assert bits(told) == one
    assert seen[-1] == screen.n_cells


@pytest.mark.parametrize("n_files", [1, 3])
def test_several_files_are_read_by_the_workers(
    screen: Screen, tmp_path: Path, n_files: int, process_pool: ProcessPoolExecutor
) -> None:
    edges = np.linspace(0, screen.n_cells, n_files + 1).astype(int)
    for i in range(n_files):
        write_screen(screen.part(int(edges[i]), int(edges[i + 1])), tmp_path / f"plate{i}.h5ad")
    joined = read_screen(sorted(tmp_path.glob("*.h5ad")), context="context")
    assert bits(pseudobulk(joined, client=process_pool)) == bits(pseudobulk(joined))


def _framed(screen: Screen):
    from perturbridge.screens.summing._frame import frame_of
    from perturbridge.screens.summing._grouping import group_cells

    grouping = group_cells(screen, min_cells=2, on_few="raise")
    return grouping, frame_of(screen, grouping)


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("spare", [0.001, 0.02, 0.3, 0.9, 1.5])
def test_a_plan_stays_within_its_budget_and_covers_every_gene_once(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, spare: float, here: bool
) -> None:
    _, frame = _framed(screen)
    monkeypatch.setattr(_plan, "resident", lambda: 150 * 10**6)
    # More than any chunk holds.
    monkeypatch.setattr(_plan, "stored_values", lambda _: 10**9)
    frame = replace(frame, n_groups=20_000, n_rows=19_000, genes=(0, 18_000))
    sums = 20 * frame.n_groups * frame.n_genes
    budget = int((300e6 if here else 450e6) + spare * sums)
    if spare < 0.02:
        with pytest.raises(DataError, match="too little"):
            _plan.plan_sums(screen, frame, memory=budget, here=here)
        return
    plan = _plan.plan_sums(screen, frame, memory=budget, here=here)
    assert [gene for low, high in plan.blocks for gene in range(low, high)] == list(range(18_000))
    assert plan.forecast.total <= budget
    assert (len(plan.blocks) > 1) == (plan.scratch_bytes > 0)


def test_what_is_asked_for_in_the_refusal_is_enough(screen: Screen) -> None:
    from perturbridge.workers import as_bytes

    with pytest.raises(DataError, match="too little") as caught:
        forecast_pseudobulk(screen, memory="20MB")
    asked = caught.value.cure.removeprefix("Allow at least ").removesuffix(" (--memory).")
    assert forecast_pseudobulk(screen, memory=as_bytes(asked)).total <= as_bytes(asked)


def test_too_small_a_disk_is_refused_before_a_value_is_read(
    screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_blocks(monkeypatch, 2)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(DataError, match=r"has 0\.00 MB free"):
        pseudobulk(screen, memory="1GB", checkpoint=tmp_path)
