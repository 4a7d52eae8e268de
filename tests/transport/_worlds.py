"""Simulated latents with states, additive batches and a response that differs between cells: the truth is known for every control."""

from dataclasses import dataclass

import numpy as np

from perturbridge.values import Latent

N_STATES, N_BATCHES = 4, 8


@dataclass(frozen=True)
class World:
    """Controls first, then the cells of each perturbation."""

    latent: Latent
    condition: np.ndarray
    batch: np.ndarray
    state: np.ndarray
    n_controls: int
    truth: dict
    """Δz of every control, by perturbation."""


KINDS = ("group", "linear", "gated", "responders", "none")


def make_world(
    seed,
    kind="group",
    *,
    skewed=False,
    n=2000,
    m=300,
    n_dims=32,
    n_perturbations=1,
    size=2.0,
    offset=0.0,
    states=N_STATES,
):
    """Anisotropic Gaussian states (four apart), batch shifts of length 1.5, responses with root mean square `size`.

    group: one shift per state around a common one. linear: a shift linear in z. gated: one direction, gated by a programme that
    mostly differs between states. responders: half of the cells of each state move. none: nothing moves. Skewed: state and batch
    composition of each perturbation are drawn from Dirichlet(1).
    """
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    centres = _directions(rng, states, n_dims) * (4.0 if states > 1 else 0.0)
    spread = 0.6 * np.exp(rng.normal(0, 0.3, size=n_dims))
    shifts = 1.5 * _directions(rng, N_BATCHES, n_dims)
    programme = _directions(rng, 1, n_dims)[0]
    even = np.full(states, 1 / states), np.full(N_BATCHES, 1 / N_BATCHES)

    def cells(k, by_state, by_batch):
        state, batch = rng.choice(states, k, p=by_state), rng.choice(N_BATCHES, k, p=by_batch)
        return centres[state] + spread * rng.normal(size=(k, n_dims)), state, batch

    core, state, batch = cells(n, *even)
    parts, truth = [(core + shifts[batch], state, batch)], {}
    for p in range(n_perturbations):
        move = _response(rng, kind, centres=centres, spread=spread, programme=programme)
        planted = move(core, state)
        length = np.sqrt((planted**2).sum(axis=1).mean())
        scale = size / length if length > 0 else 0.0
        mix = (rng.dirichlet(np.ones(states)), rng.dirichlet(np.ones(N_BATCHES))) if skewed else even
        y, y_state, y_batch = cells(m, *mix)
        parts.append((y + scale * move(y, y_state) + shifts[y_batch], y_state, y_batch))
        truth[f"g{p:03d}"] = scale * planted
    z, state, batch = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return World(
        latent=Latent(z=z + offset),
        condition=np.repeat(["control", *truth], [n, *[m] * n_perturbations]),
        batch=np.char.add("b", batch.astype(str)),
        state=np.char.add("s", state.astype(str)),
        n_controls=n,
        truth=truth,
    )


def _directions(rng, k, n_dims):
    out = rng.normal(size=(k, n_dims))
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def _response(rng, kind, *, centres, spread, programme):
    n_dims = len(programme)
    base, own = rng.normal(size=n_dims), 0.6 * rng.normal(size=centres.shape)
    mixing = rng.normal(size=(n_dims, n_dims)) * 0.35 / np.sqrt(n_dims)
    if kind == "none":
        return lambda z, s: np.zeros_like(z)
    if kind == "group":
        return lambda z, s: base + own[s]
    if kind == "linear":
        return lambda z, s: base + z @ mixing.T
    if kind == "gated":
        middle = np.median(centres @ programme)
        return lambda z, s: base * (2 / (1 + np.exp(-(z @ programme - middle))))[:, None]
    deviation = np.sqrt(((programme * spread) ** 2).sum())
    return lambda z, s: base * (((z - centres[s]) @ programme) / deviation > 0)[:, None] * 2.0


def relative_error(moved, truth):
    """Root of Σ‖moved − truth‖² over Σ‖truth‖²: 1 for no displacement."""
    return float(np.sqrt(((moved - truth) ** 2).sum() / (truth**2).sum()))
