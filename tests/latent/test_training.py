"""The training loop: seeded, watched, interruptible at any step, the same over several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from perturbridge.errors import FitError
from perturbridge.latent import Architecture, LatentModel, Training
from perturbridge.latent._rows import choose_rows
from perturbridge.latent.cells._order import Batches, Blocks, epoch_order
from perturbridge.latent.training._adam import Adam
from perturbridge.latent.training._device import resolve_device
from perturbridge.latent.training._schedule import kl_weight, learning_rate

from .conftest import QUICK, SMALL

SCRIPT = """
import os, signal, sys
from pathlib import Path
from dataclasses import replace
import numpy as np, torch
torch.set_num_threads(1)
from perturbridge.latent import LatentModel, Architecture
from tests.latent.conftest import QUICK, SMALL, small_screen
screen = small_screen()
"""


def weights(model):
    return model.fitted_.module.state_dict()


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def fit(screen, *, architecture=SMALL, progress=None, **changes):
    return LatentModel(architecture=architecture, training=replace(QUICK, **changes)).fit(screen, progress=progress)


def test_the_seed_decides_everything_and_the_global_one_is_left_alone(screen):
    before = torch.get_rng_state()
    first, again, other = fit(screen, epochs=2), fit(screen, epochs=2), fit(screen, epochs=2, seed=1)
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(other))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize(
    "shape", [{}, {"n_layers": 3, "encode_context": True}, {"library": "latent", "n_latent_context": 2}]
)
def test_the_order_of_sums_moves_no_weight(screen, norm, shape):
    """A weight without influence would be moved by rounding errors, full steps of Adam long, and differ from machine to machine."""
    threads, architecture, found = torch.get_num_threads(), replace(SMALL, norm=norm, **shape), []
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            found.append(weights(fit(screen, architecture=architecture, epochs=1)))
    finally:
        torch.set_num_threads(threads)
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-4, atol=1e-5)


class StopError(Exception):
    pass


@pytest.mark.parametrize("at", [1, 5, 7, 13])
def test_a_run_that_is_cut_off_goes_on_bit_for_bit(screen, tmp_path, at):
    whole = fit(screen, epochs=3)

    def cut(done, _):
        if done == at:
            raise StopError

    settings = {"epochs": 3, "checkpoint": tmp_path / "run.safetensors", "checkpoint_steps": 2}
    with pytest.raises(StopError):
        fit(screen, progress=cut, **settings)
    steps = []
    resumed = fit(screen, progress=lambda done, _: steps.append(done), **settings)
    assert steps[0] > 1 or at == 1
    assert same(weights(whole), weights(resumed))
    assert [r["held_out_elbo"] for r in whole.history_] == [r["held_out_elbo"] for r in resumed.history_]


def test_a_killed_process_leaves_a_checkpoint_that_goes_on(screen, tmp_path):
    file = tmp_path / "run.safetensors"
    code = SCRIPT + (
        "def die(done, total):\n    if done == 10: os.kill(os.getpid(), signal.SIGKILL)\n"
        "LatentModel(architecture=SMALL, training=replace(QUICK, epochs=3, checkpoint=Path(sys.argv[1]), checkpoint_steps=1))"
        ".fit(screen, progress=die)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == -signal.SIGKILL
    assert file.exists()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        resumed, whole = fit(screen, epochs=3, checkpoint=file, checkpoint_steps=1), fit(screen, epochs=3)
    finally:
        torch.set_num_threads(threads)
    assert same(weights(whole), weights(resumed))


def test_a_checkpoint_of_another_run_is_refused(screen, tmp_path):
    file = tmp_path / "run.safetensors"
    fit(screen, epochs=1, checkpoint=file)
    with pytest.raises(FitError, match="other cells, genes or settings"):
        fit(screen, epochs=2, checkpoint=file)
    payload = file.read_bytes()
    file.write_bytes(payload.replace(b'\\"version\\": 3', b'\\"version\\": 2'))
    with pytest.raises(FitError, match="is of version 2; this program writes and reads 3"):
        fit(screen, epochs=1, checkpoint=file)
    file.write_bytes(payload[:-9])
    with pytest.raises(FitError, match="cannot be read"):
        fit(screen, epochs=1, checkpoint=file)
    file.write_bytes(b"nonsense")
    with pytest.raises(FitError, match="cannot be read"):
        fit(screen, epochs=1, checkpoint=file)


def test_streaming_reads_every_cell_once_and_learns_as_well(screen):
    streamed = fit(screen, stream=True, block_rows=16, shuffle_rows=64)
    loaded = fit(screen)
    assert streamed.history_[-1]["held_out_elbo"] == pytest.approx(loaded.history_[-1]["held_out_elbo"], rel=0.01)
    rows = np.flatnonzero(np.arange(300) % 7 != 3)
    order, plan = epoch_order(rows, seed=4, epoch=2, blocks=Blocks(rows=16, together=3))
    assert sorted(order) == list(rows)
    groups = plan.group_of(order)
    assert (np.diff(groups) >= 0).all()
    assert groups.max() == -(-19 // 3) - 1
    assert not np.array_equal(order, epoch_order(rows, seed=4, epoch=3, blocks=Blocks(16, 3))[0])


@pytest.mark.parametrize(
    ("n_rows", "size"), [(1, 128), (7, 128), (128, 128), (135, 128), (136, 128), (1000, 128), (5, 2)]
)
def test_batches_cover_an_epoch_and_none_is_tiny(n_rows, size):
    batches = Batches(n_rows, size)
    spans = [batches.span(i) for i in range(batches.n_steps)]
    assert spans[0][0] == 0
    assert spans[-1][1] == n_rows
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert all(high - low >= min(8, size, n_rows) or len(spans) == 1 for low, high in spans)


def test_schedules_are_shares_of_the_steps_there_are():
    training = Training(warmup=0.2, beta=2.0, batch_size=512, learning_rate=4e-3)
    assert [kl_weight(s, 10, training=training) for s in (0, 1, 2, 9)] == [1.0, 2.0, 2.0, 2.0]
    assert kl_weight(0, 10, training=replace(training, warmup=0.0)) == 2.0
    rates = [learning_rate(s, 101, training=training) for s in range(101)]
    assert max(rates) == pytest.approx(8e-3) == rates[30]
    assert rates[0] == pytest.approx(8e-3 / 25)
    assert rates[-1] == pytest.approx(8e-7)


def test_adam_is_that_of_torch():
    a, b = (nn.Linear(5, 3) for _ in range(2))
    b.load_state_dict(a.state_dict())
    ours, theirs = (
        Adam(a.parameters(), epsilon=1e-3, weight_decay=0.1),
        torch.optim.Adam(b.parameters(), lr=0.05, eps=1e-3, weight_decay=0.1),
    )
    x = torch.linspace(-1, 1, 20).reshape(4, 5)
    for number in range(1, 8):
        theirs.zero_grad()
        for module in (a, b):
            (module(x) ** 3).sum().backward()
        ours.step(ours.gradient(), number=number, rate=0.05)
        theirs.step()
    torch.testing.assert_close(a.weight, b.weight, rtol=1e-5, atol=1e-6)


def test_early_stopping_keeps_the_best_weights(screen):
    model = fit(screen, epochs=60, patience=2, learning_rate=0.1, schedule="constant", validation=0.3)
    bounds = [record["held_out_elbo"] for record in model.history_]
    assert len(bounds) < 60
    eligible = [
        b for b, r in zip(bounds, model.history_, strict=True) if r["step"] >= 0.2 * 60 * model.history_[0]["step"]
    ]
    assert max(eligible) > bounds[-1]
    chosen = choose_rows(screen, validation=0.3)
    again = model.elbo(screen, n_samples=30)[chosen.held].mean()
    assert again == pytest.approx(max(eligible), abs=0.5)


@dataclass(frozen=True)
class Broken:
    """A penalty that is no number."""

    def build(self, *, n_bio, n_context_dims, design, source):
        return Nothing(n_bio, n_context_dims, design.n_contexts)

    def as_json(self):
        return {"name": "broken"}


class Nothing(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.sizes = sizes

    def forward(self, view):
        assert (view.z_bio.shape[1], view.z_context.shape[1]) == self.sizes[:2]
        assert 0 <= view.share < 1
        assert int(view.context.max()) < self.sizes[2]
        assert len(view.stratum) == len(view.z)
        return {"broken": view.z_bio.sum() * float("nan")}


def test_a_loss_that_is_no_number_stops_the_run(screen):
    model = LatentModel(
        architecture=replace(SMALL, n_latent_context=2), training=replace(QUICK, epochs=2), penalties=(Broken(),)
    )
    with pytest.raises(FitError, match=r"The loss is nan in epoch 1\. Lower learning_rate"):
        model.fit(screen)


def test_clipping_changes_long_gradients_alone(screen):
    free, loose, tight = (fit(screen, epochs=1, clip_norm=c) for c in (None, 1e9, 1e-2))
    for name, value in weights(free).items():
        torch.testing.assert_close(weights(loose)[name], value)
    assert not same(weights(free), weights(tight))


def test_low_precision_reaches_the_same_bound(screen):
    low, full = fit(screen, precision="bf16"), fit(screen)
    assert low.history_[-1]["held_out_elbo"] == pytest.approx(full.history_[-1]["held_out_elbo"], rel=0.01)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(FitError, match=r"warmup is 2\. Use a number from 0\.0 to 1\.0"):
        Training(warmup=2)
    with pytest.raises(FitError, match="n_layers is 4"):
        Architecture(n_layers=4)
    with pytest.raises(FitError, match="no library size to infer"):
        Architecture(likelihood="gaussian", library="latent")
    if not torch.cuda.is_available():
        with pytest.raises(FitError, match="has no CUDA device"):
            resolve_device("cuda")
