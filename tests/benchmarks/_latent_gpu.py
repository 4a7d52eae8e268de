"""The latent on a GPU: does it compute what the CPU computes, and how fast is it with the data resident on the device?

Needs torch and perturbridge alone. `cells_s` is training cells per second over whole steps (batch from the sparse rows, forward, backward,
update); `plain` is scVI's formula in plain torch on the same device (dense minibatch from the same sparse rows, `lgamma` under autograd,
`torch.optim.Adam`), a faster peer than scvi-tools itself. `roofline` is the least time the
step could take on this device (its bytes at the measured copy bandwidth, or its products at the measured matrix rate, whichever is more)
divided by the time it took. Without a GPU it runs on the CPU at a small size, to see that everything runs.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch

from perturbridge.latent import Architecture
from perturbridge.latent._noise import Noise, generator, reseed
from perturbridge.latent._training import Training
from perturbridge.latent.cells._dataset import Codes, Dataset
from perturbridge.latent.cells._table import RowTable
from perturbridge.latent.modules._vae import Sizes, Vae
from perturbridge.latent.training._adam import Adam
from perturbridge.latent.training._objective import objective

N_GENES, N_CONTEXTS = 2000, 2


def run(*, quick: bool) -> list[dict]:
    """Check, then measure."""
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    rows = [agreement(likelihood, device) for likelihood in ("nb", "zinb", "gaussian")]
    machine = measure_machine(device, small=not cuda)
    sizes = [100_000, 1_000_000] if cuda and not quick else [2_000]
    for n_cells in sizes:
        table = simulated_table(n_cells, device)
        for batch in (128, 1024, 4096) if cuda else (128,):
            rows += [
                speed(table, device, batch=batch, kind=kind, machine=machine) for kind in ("fp32", "bf16", "plain")
            ]
            plain = rows[-1]
            for row in rows[-3:]:
                row["times plain"] = row["cells_s"] / plain["cells_s"]
        del table
    return rows


class Given(Noise):
    """The same draws on every device."""

    def normal(self, n_columns: int) -> torch.Tensor:
        return torch.randn(self._n_all, n_columns, generator=generator(3)).to(self.source.device)


def agreement(likelihood: str, device: torch.device) -> dict:
    """Largest differences of the loss and of the gradients between the CPU and the device, relative, in float32."""
    found = []
    for where in (torch.device("cpu"), device):
        table = simulated_table(512, where, seed=1, drawn_on=torch.device("cpu"))
        module = Vae(
            Sizes(N_GENES, N_CONTEXTS),
            architecture=Architecture(likelihood=likelihood, dropout=0.0),
            source=generator(0),
        ).to(where)
        module.train()
        loss, _ = objective(
            module, dataset(table, where).batch(np.arange(256)), Given.whole(256, generator(0, device=where)),
            penalties=[], weight=1.0, free_bits=0.0, label_strength=0.0, share=0.5,
        )  # fmt: skip
        loss.backward()
        found.append(
            (loss.item(), {n: p.grad.cpu().double() for n, p in module.named_parameters() if p.grad is not None})
        )
    (a, first), (b, second) = found
    # Relative to the longest gradient: a bias before batch norm has none, and its rounding is not an error.
    longest = max(float(g.abs().max()) for g in first.values())
    worst = max(float((first[n] - second[n]).abs().max()) / longest for n in first)
    assert abs(a - b) < 1e-4 * abs(a), f"{likelihood}: the loss is {a} on the CPU and {b} on {device}"
    assert worst < 1e-3, f"{likelihood}: gradients differ by {worst} of the longest"
    return {
        "what": f"CPU v {device.type}, {likelihood}",
        "loss_difference": abs(a - b) / abs(a),
        "gradient_difference": worst,
    }


def simulated_table(
    n_cells: int, device: torch.device, *, seed: int = 0, drawn_on: torch.device | None = None
) -> RowTable:
    """About 10 % dense counts: ten factors ▸ softmax x library ▸ negative binomial, drawn on the device."""
    on = drawn_on or device
    source = generator(seed, device=on)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=source, device=on)

    loading, base = 0.35 * normal(10, N_GENES), 1.2 * normal(N_GENES)
    parts = []
    for start in range(0, n_cells, 20_000):
        n = min(20_000, n_cells - start)
        rate = (normal(n, 10) @ loading + base).softmax(1) * (260 * (0.35 * normal(n, 1)).exp())
        # A gamma of shape 2 is the sum of two exponentials.
        drawn = -(torch.rand(2, n, N_GENES, generator=source, device=on).clamp_min(1e-12).log()).sum(0)
        counts = torch.poisson(rate * drawn / 2, generator=source)
        row, col = torch.nonzero(counts, as_tuple=True)
        ends = torch.bincount(row, minlength=n).cumsum(0).cpu().numpy()
        indptr = np.concatenate([[0], ends]).astype(np.int64)
        parts.append((indptr, col.int().cpu().numpy(), counts[row, col].cpu().numpy()))
    return RowTable(parts, n_genes=N_GENES, device=device)


def dataset(table: RowTable, device: torch.device) -> Dataset:
    """The table with contexts in turn."""
    n = table.n_rows
    zero = np.zeros(n, dtype=np.int64)
    codes = Codes(context=np.arange(n, dtype=np.int64) % N_CONTEXTS, stratum=zero, label=zero - 1, condition=zero)
    return Dataset(reader=table, codes=codes, device=device)


def speed(table: RowTable, device: torch.device, *, batch: int, kind: str, machine: dict) -> dict:
    """Cells per second of whole training steps."""
    data, training = dataset(table, device), Training()
    module = Vae(Sizes(N_GENES, N_CONTEXTS), architecture=Architecture(), source=generator(0)).to(device)
    module.train()
    module.low = kind == "bf16"
    step = plain_step(module, data) if kind == "plain" else our_step(module, data, training, device)
    rng = np.random.default_rng(0)
    order = rng.permutation(table.n_rows)
    n_steps = max(min(table.n_rows // batch, 300 if device.type == "cuda" else 8), 1)
    spans = [order[i * batch : (i + 1) * batch] for i in range(n_steps)]
    for i in range(min(10, n_steps)):
        step(spans[i], i + 1)
    synchronize(device)
    started = time.perf_counter()
    for i, rows in enumerate(spans):
        step(rows, i + 11)
    synchronize(device)
    seconds = (time.perf_counter() - started) / n_steps
    least = least_seconds(
        module, batch, machine, low=kind == "bf16", density=len(table._values) / table.n_rows / N_GENES
    )
    size = len(spans[0])
    return {
        "what": f"{table.n_rows:,} x {N_GENES} on {device.type}, batch {batch}, {kind}", "cells_s": size / seconds,
        "ms_step": 1e3 * seconds, "roofline": least / seconds, "peak_gpu_mb": peak(device),
    }  # fmt: skip


def our_step(module: Vae, data: Dataset, training: Training, device: torch.device):
    adam = Adam(module.parameters(), epsilon=training.adam_epsilon, weight_decay=training.weight_decay)
    source = torch.Generator(device=device)

    def step(rows: np.ndarray, number: int) -> None:
        reseed(source, 1, number)
        loss, _ = objective(
            module, data.batch(rows), Noise.whole(len(rows), source), penalties=[], weight=1.0, free_bits=0.0,
            label_strength=0.0, share=0.5,
        )  # fmt: skip
        torch.autograd.backward(loss)
        adam.step(adam.gradient(), number=number, rate=1e-3)

    return step


def plain_step(module: Vae, data: Dataset):
    """The same networks with scVI's likelihood as it is written, and torch's optimizer."""
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, eps=0.01, weight_decay=1e-6)

    def step(rows: np.ndarray, _: int) -> None:
        batch = data.batch(rows)
        x = batch.counts.dense(batch.counts.value)
        source = generator(1, device=x.device)
        posterior = module.encode(batch, Noise.whole(len(rows), source))
        z = posterior.at(torch.randn(posterior.mean.shape, generator=source, device=x.device))
        decoded = module.decoder(z, batch.context)
        mean, theta = decoded.logits.softmax(-1) * x.sum(1, keepdim=True), module.log_theta.exp()
        total = (theta + mean + 1e-8).log()
        value = (
            theta * ((theta + 1e-8).log() - total) + x * ((mean + 1e-8).log() - total)
            + torch.lgamma(x + theta) - torch.lgamma(theta) - torch.lgamma(x + 1)
        )  # fmt: skip
        loss = (posterior.kl().sum(1) - value.sum(-1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def measure_machine(device: torch.device, *, small: bool) -> dict:
    """Bytes per second of a copy, and multiply-adds (x 2) per second of square products in either precision."""
    n = 2**22 if small else 2**28
    a = torch.rand(n, device=device)
    seconds = best(lambda: a.clone(), device)
    side = 256 if small else 8192
    rates = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        m = torch.rand(side, side, device=device).to(dtype)
        rates[name] = 2 * side**3 / best(lambda m=m: m @ m, device)
    return {"bytes_s": 8 * n / seconds, **rates}


def least_seconds(module: Vae, batch: int, machine: dict, *, low: bool, density: float) -> float:
    """Time that bytes and products of one step need at the least."""
    hidden, width = module.architecture.n_hidden, 2 if low else 4
    products = 2 * batch * N_GENES * hidden * 5  # encoder forward and weights; decoder forward, weights and input
    dense = batch * N_GENES
    # Input written and read twice, logits written and read, their gradient written and read twice; sparse values read; Adam's vectors.
    moved = (
        dense * (3 * width + 2 * 4 + 3 * 4) + 12 * density * dense + 28 * sum(p.numel() for p in module.parameters())
    )
    return max(products / machine["bf16" if low else "fp32"], moved / machine["bytes_s"])


def best(call, device: torch.device) -> float:
    """Shortest of ten calls, in seconds."""
    times = []
    for _ in range(10):
        synchronize(device)
        started = time.perf_counter()
        call()
        synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak(device: torch.device) -> float:
    return torch.cuda.max_memory_allocated() / 1e6 if device.type == "cuda" else float("nan")


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv), indent=1))
