"""Several processes of one run: each with cells of its own, all at the same step, none left waiting for one that is gone."""

from __future__ import annotations

import os
import shutil
import signal
import time
import warnings
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import torch
from torch import nn

from perturbridge.errors import FitError
from perturbridge.latent import LatentModel
from perturbridge.latent._fitting import _run
from perturbridge.latent._noise import generator
from perturbridge.latent._preparation import Request, prepare
from perturbridge.latent.cells._dataset import Dataset
from perturbridge.latent.cells._deal import Deal
from perturbridge.latent.cells._order import Blocks
from perturbridge.latent.cells._own import Cut, OwnCells
from perturbridge.latent.modules._vae import Vae
from perturbridge.latent.training._adam import Adam
from perturbridge.latent.training._device import resolve_device
from perturbridge.latent.training._joining import _told_to_stop, joined_world
from perturbridge.latent.training._loop import _loss, _shared
from perturbridge.latent.training._state import RunState
from perturbridge.latent.training._watch import CELLS_AT_ONCE, own_held
from perturbridge.latent.training._world import World

from ._together import fit, together, watched
from .conftest import QUICK, SMALL, small_screen

ROWS = np.flatnonzero(np.arange(1100) % 7 != 3)


def own_cells(n_processes, number, *, blocks=None, batch_size=64, rows=ROWS):
    world = World(number, n_processes)

    def read(own):
        return Dataset(reader=Held(own), codes=None, device=torch.device("cpu"), blocks=blocks)

    return OwnCells(rows, n_cells=rows[-1] + 1, batch_size=batch_size, blocks=blocks, stretch=world.stretch, read=read)


class Held:
    """A reader that knows which rows it was opened for."""

    def __init__(self, rows):
        self.rows = rows


def steps_of(n_processes, n_shares, *, done=0, until=None, epoch=2, **settings):
    """Rows of each step over all processes, in the order of the shares; checked to be whole."""
    processes = [
        list(own_cells(n_processes, i, **settings).steps(n_shares, seed=4, epoch=epoch, done=done))
        for i in range(n_processes)
    ]
    made = []
    for cuts in list(zip(*processes, strict=True))[:until]:
        flat = [cut for own in cuts for cut in own]
        spans = [cut.span for cut in flat]
        assert [low for low, _ in spans] == [0, *(high for _, high in spans[:-1])]
        assert {cut.n_all for cut in flat} == {spans[-1][1]}
        assert all(len(cut.rows) == high - low for cut, (low, high) in zip(flat, spans, strict=True))
        assert all(np.isin(cut.rows, cut.data.reader.rows).all() for cut in flat)
        made.append(np.concatenate([cut.rows for cut in flat]))
    return made


@pytest.mark.parametrize("blocks", [None, Blocks(16, 3)])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_every_cell_is_seen_once_an_epoch_whoever_has_it(n, blocks):
    made = steps_of(n, n, blocks=blocks)
    assert len(made) == len(steps_of(1, 1))
    assert sorted(np.concatenate(made)) == list(ROWS)
    held = [share.rows for i in range(n) for share in own_cells(n, i, blocks=blocks).shares(n)]
    assert sorted(np.concatenate(held)) == list(ROWS)
    if n > 1:
        own = [own_cells(n, i, blocks=blocks).steps(n, seed=4, epoch=0, done=0) for i in range(n)]
        sizes = [{len(cut.rows) for step in steps for cut in step} for steps in own]
        assert all(max(each) - min(each) <= 1 for each in sizes)
        assert max(len(step) for step in made) - min(len(step) for step in made) <= n
    if blocks is not None:
        found = [set(rows // 16) for rows in held]
        assert sum(len(each) for each in found) == len(set.union(*found))
    # A file that is sorted by context: every share has as much of each as the others.
    parts = np.array([np.bincount(rows // 275, minlength=4) for rows in held])
    assert (np.ptp(parts, axis=0) <= 2 * (16 if blocks else 1100 // (32 * n))).all()
    assert not all(np.array_equal(a, b) for a, b in zip(made, steps_of(n, n, blocks=blocks, epoch=3), strict=True))


@pytest.mark.parametrize("blocks", [None, Blocks(16, 3)])
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), (2, 3), (3, 2), (5, 2)])
def test_an_epoch_that_other_processes_began_is_finished_in_the_shares_in_which_it_began(before, after, blocks):
    whole = steps_of(before, before, blocks=blocks)
    rest = steps_of(after, before, done=6, blocks=blocks)
    assert len(rest) == len(whole) - 6
    assert all(np.array_equal(a, b) for a, b in zip(whole[6:], rest, strict=True))


@pytest.mark.parametrize("n_held", [0, 1, CELLS_AT_ONCE, 3 * CELLS_AT_ONCE + 5])
@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_held_out_cells_have_one_owner_each(n_held, n):
    owned = [own_held(n_held, World(i, n)) for i in range(n)]
    assert np.array_equal(np.concatenate([np.arange(n_held)[own] for own in owned]), np.arange(n_held))
    assert all(own.start % CELLS_AT_ONCE == 0 for own in owned if own.start < own.stop)


def test_too_many_processes_for_the_cells_are_refused():
    with pytest.raises(FitError, match=r"leave one of 8 processes 1 of them a step\. Start fewer"):
        Deal.of(ROWS, n_cells=1100, batch_size=10, n_shares=8)
    with pytest.raises(FitError, match=r"0 of them a step\. .* a smaller block_rows"):
        Deal.of(ROWS, n_cells=1100, batch_size=512, n_shares=4, blocks=Blocks(512, 1))


def test_processes_that_cannot_be_are_refused(monkeypatch):
    def join(**told):
        for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        with joined_world(torch.device("cpu"), wait=timedelta(seconds=1)) as world:
            return world.rank, world.size

    assert join() == join(RANK="3") == join(WORLD_SIZE="1", RANK="3") == (0, 1)
    for told in ({"WORLD_SIZE": "two", "RANK": "0"}, {"WORLD_SIZE": "2"}, {"WORLD_SIZE": "2", "RANK": "2"}):
        with pytest.raises(FitError, match=r"announces processes that cannot be: WORLD_SIZE='(two|2)'"):
            join(**told)
    with pytest.raises(FitError, match="2 processes were announced but do not find one another"):
        join(WORLD_SIZE="2", RANK="0")
    with pytest.raises(FitError, match="2 processes were announced but do not find one another"):
        join(WORLD_SIZE="2", RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT="0")


def test_a_process_that_is_told_to_stop_says_so():
    before = signal.getsignal(signal.SIGTERM)
    words = r"Process 1 of 2 stops: .* was told to stop .* no checkpoint was named"
    with pytest.raises(FitError, match=words), _told_to_stop(World(1, 2)):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
    with _told_to_stop(World(1, 2)):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_process_without_a_gpu_of_its_own_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert resolve_device("auto") == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(FitError, match=r"Process 2 of this machine has no GPU of its own: there are 2\."):
        resolve_device("cuda")


@pytest.mark.parametrize("n_shares", [2, 3])
def test_the_gradient_of_the_shares_is_that_of_all_their_cells(screen, n_shares):
    request = Request(context="context", architecture=replace(SMALL, norm="layer"), training=QUICK)
    ready = prepare(screen, request)
    module = Vae(ready.sizes, architecture=request.architecture, source=generator(3, 0))
    run, modules = _run(screen, request, ready, module=module, world=World()), nn.ModuleList([module])
    optimizer, source = Adam(modules.parameters(), epsilon=1e-8, weight_decay=0.0), torch.Generator()
    cuts = next(run.cells.steps(n_shares, seed=0, epoch=0, done=0))
    assert len({len(cut.rows) for cut in cuts}) == 2
    gradient, parts = _shared(run, RunState(), cuts, modules=modules, optimizer=optimizer, source=source)
    rows = np.concatenate([cut.rows for cut in cuts])
    whole = Cut(run.cells.shares(1)[0].data, rows, (0, len(rows)), len(rows))
    loss, wanted = _loss(run, RunState(), whole, source=source)
    loss.backward()
    torch.testing.assert_close(gradient, optimizer.gradient(), rtol=1e-4, atol=1e-5)
    assert {k: v.item() for k, v in parts.items()} == pytest.approx({k: v.item() for k, v in wanted.items()}, rel=1e-5)


def same_weights(a, b, **tolerance):
    a, b = (model.fitted_.module.state_dict() for model in (a, b))
    for name in a:
        torch.testing.assert_close(a[name], b[name], **tolerance)


def test_two_processes_learn_what_one_learns_and_survive_one_of_them(tmp_path):
    store, one = tmp_path / "screen.zarr", small_screen()
    write_store(one, store)
    first, second = together("two", tmp_path, store)
    assert (first.status, second.status) == (-signal.SIGKILL, 0), second.err
    check_readings(first.said, second.said, n_cells=one.n_cells)
    check_figures(first.said, second.said, one)
    assert second.said["nan"] == first.said["nan"]
    assert "The loss is nan in epoch 1." in first.said["nan"]
    assert (
        "1 of 2 processes have other cells, genes or settings than process 0, the first is process 1"
        in first.said["unlike"]
    )
    assert first.said["unlike"] == second.said["unlike"]
    assert first.said["cut"] == second.said["cut"] == "Stopped. Go on."
    assert all([*first.said["same"], *second.said["same"]])
    assert "leave one of 2 processes 0 of them a step" in second.said["crowded"]
    killed = second.said["killed"]
    assert killed.startswith("Process 1 of 2 stops: another one has ended")
    assert str(tmp_path / "run.safetensors") in killed
    assert "third_party" not in killed
    check_resumed(tmp_path, first.said["whole"])


def write_store(screen, path):
    import anndata as ad
    import pandas as pd
    from scipy import sparse

    chunk = screen.source.read_rows(0, screen.n_cells)
    matrix = sparse.csr_matrix((chunk.data, chunk.indices, chunk.indptr), shape=screen.source.shape)
    named = [*(str(p) for p in screen.perturbations), "unassigned", "control"]
    obs = {"perturbation": [named[c] for c in screen.perturbation_codes]}
    obs["context"] = [screen.context.categories[c] for c in screen.context.codes]
    cells = pd.DataFrame(obs, index=[f"c{i}" for i in range(screen.n_cells)])
    with ad.settings.override(zarr_write_format=3, auto_shard_zarr_v3=False), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ad.AnnData(matrix, obs=cells, var=pd.DataFrame(index=list(screen.genes))).write_zarr(path)


def check_readings(*said, n_cells):
    """Each process reads half of the cells, and no cell of the other."""
    for ranges in ([each["read"] for each in said], [each["stream_read"] for each in said]):
        rows = [{row for low, high in own for row in range(low, high)} for own in ranges]
        assert rows[0] | rows[1] == set(range(n_cells))
        assert not rows[0] & rows[1]
        assert min(len(own) for own in rows) > 0.4 * n_cells


def check_figures(first, second, screen):
    """Both say the same of every epoch, and learn as well as one process does."""
    for name in ("whole", "learned", "streamed", "stopped", "means"):
        assert first[name] == second[name]
    assert len(first["stopped"]) < 60
    alone = fit(screen, epochs=6)
    for name in ("learned", "streamed"):
        assert len(first[name]) == 6
        assert first[name][-1]["held_out_elbo"] == pytest.approx(alone.history_[-1]["held_out_elbo"], rel=0.01)
    two_more = fit(screen, architecture=replace(SMALL, n_latent_context=2, library="latent"), epochs=2)
    assert first["library"] == second["library"] == two_more.fitted_.module.library_prior.tolist()
    assert first["findings"] == second["findings"] == [finding.code for finding in two_more.fitted_.findings]
    assert np.shape(first["means"]) == two_more.fitted_.context_z.shape
    assert np.isfinite(first["means"]).all()


def check_resumed(folder, whole_history):
    """One process, or three, finish what two began: the same batches and draws, so the same weights up to the order of sums."""
    whole = LatentModel.load(folder / "whole", device="cpu")
    (folder / "again").mkdir()
    file = shutil.copy(folder / "run.safetensors", folder / "again")
    alone = fit(watched(small_screen()), epochs=1, checkpoint=folder / "run.safetensors", checkpoint_steps=1)
    same_weights(alone, whole, rtol=1e-5, atol=1e-6)
    assert alone.history_[0] == pytest.approx(whole_history[0], rel=1e-6)
    three = together("three", file, size=3)
    assert three[0].said["resumed"] == three[1].said["resumed"]
    same_weights(LatentModel.load(folder / "again" / "three", device="cpu"), whole, rtol=1e-5, atol=1e-6)
    for ended in three[:2]:
        assert "another one has ended or does not answer" in ended.said["hung"], ended.err
        assert "No checkpoint" in ended.said["hung"] or "no checkpoint was named" in ended.said["hung"]
        assert ended.said["seconds"] < 30
