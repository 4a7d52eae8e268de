"""Simulated effects whose best possible prediction is known: squared error against the truth, lower is better.

Effects are drawn from a Gaussian process over genes: kernel share·K₁ + (1 − share)·K₂ of two embeddings (or of neither), targets of unequal
size, independent noise of the stated signal-to-noise ratio. *ours / best*: error of `EffectModel` over that of the posterior mean under the true
kernel, the true noise and a mean known up to a flat prior, which nothing can beat on average; it gets both embeddings and a third that knows
nothing. *ours / mean*: over the error of the training mean. Averages over simulations of summed errors, 400 test rows each; *worst*: the largest
*ours / mean* of a single simulation, *worse than 1.01*: the share of simulations
where it is. There are more simulations where fits are cheap.
"""

from __future__ import annotations

import numpy as np

from perturbridge.effects import EffectModel
from perturbridge.values import Effects, EmbeddingCard, GeneEmbedding

# Training rows, signal-to-noise, share of the first embedding; None: no embedding knows anything.
SETTINGS = (
    (60, 1.0, 1.0),
    (60, 0.3, 1.0),
    (200, 1.0, 1.0),
    (200, 0.3, 1.0),
    (200, 1.0, 0.5),
    (200, 0.3, 0.5),
    (500, 1.0, 0.5),
    (500, 0.3, 0.7),
    (60, 0.3, 0.5),
    (60, 1.0, None),
    (60, 0.3, None),
    (200, 0.3, None),
)
N_TEST, N_TARGETS, N_DIMS = 400, 40, 40


def run(*, quick: bool) -> list[dict]:
    return [of(*setting, seeds=2 if quick else seeds_of(*setting)) for setting in SETTINGS]


def seeds_of(n_train: int, snr: float, share: float | None) -> int:
    """Many where a fit is cheap."""
    small = n_train <= 60
    return (200 if small else 40) if share is None else 40 if small else 8


def of(n_train: int, snr: float, share: float | None, *, seeds: int) -> dict:
    """Summed errors over simulations."""
    each = np.array([errors(n_train, snr, share, seed=seed) for seed in range(seeds)])
    total, single = each.sum(axis=0), each[:, 0] / each[:, 2]
    row = {
        "rows": n_train,
        "signal to noise": snr,
        "share of the first embedding": "none knows" if share is None else share,
        "simulations": seeds,
    }
    best = {} if share is None else {"best / mean": total[1] / total[2], "ours / best": total[0] / total[1]}
    more = {"worst": float(single.max()), "worse than 1.01": float((single > 1.01).mean())}
    return row | {"ours / mean": total[0] / total[2]} | best | more


def errors(n_train: int, snr: float, share: float | None, *, seed: int) -> np.ndarray:
    """Squared error of our model, of the best predictor and of the training mean."""
    rng, n = np.random.default_rng(seed), n_train + N_TEST
    sources = [source(rng, n, name) for name in ("first", "second", "knows_nothing")]
    kernel = np.eye(n)
    if share is not None:
        kernel = share * linear(sources[0]) + (1 - share) * linear(sources[1])
    size = np.arange(1, N_TARGETS + 1) ** -0.5
    truth = np.linalg.cholesky(kernel + 1e-9 * np.eye(n)) @ rng.normal(size=(n, N_TARGETS)) * size
    truth += rng.normal(size=N_TARGETS)
    measured = truth[:n_train] + rng.normal(size=(n_train, N_TARGETS)) * size / np.sqrt(snr)
    names = sources[0].genes
    train = Effects.from_delta(measured, perturbations=names[:n_train])
    ours = EffectModel(sources).fit(train).predict(names[n_train:]).delta
    best = posterior_mean(kernel, measured, noise=1 / snr)
    mean = np.broadcast_to(measured.mean(axis=0), best.shape)
    return np.array([((found - truth[n_train:]) ** 2).sum() for found in (ours, best, mean)])


def posterior_mean(kernel: np.ndarray, measured: np.ndarray, *, noise: float) -> np.ndarray:
    """Best linear unbiased prediction of the remaining rows: generalized least squares for the mean, kriging for the rest."""
    n = len(measured)
    inverse = np.linalg.inv(kernel[:n, :n] + noise * np.eye(n))
    mean = inverse.sum(axis=0) @ measured / inverse.sum()
    return mean + kernel[n:, :n] @ inverse @ (measured - mean)


def source(rng: np.random.Generator, n: int, name: str) -> GeneEmbedding:
    vectors = rng.normal(size=(n, N_DIMS)) * np.arange(1, N_DIMS + 1) ** -0.5
    return GeneEmbedding(
        vectors=vectors.astype(np.float32),
        genes=tuple(f"G{i:04d}" for i in range(n)),
        rows=np.arange(n),
        card=EmbeddingCard(name=name),
    )


def linear(embedding: GeneEmbedding) -> np.ndarray:
    """Linear kernel of unit vectors, mean diagonal 1."""
    vectors = embedding.vectors.astype(float)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T
