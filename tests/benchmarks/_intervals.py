"""Coverage of the intervals of `EffectModel` on held-out perturbations, at nominal 0.9.

*coverage*: share of measured values of test rows that lie within, over genes and rows; *rows*: share of test rows whose whole profile lies
within the band for whole profiles; *flagged*: share of test rows said to be out of support. Profiles: folds as in `accuracy`. Simulated screens: 80
training and 200 test perturbations, 200 genes, effects that one of two embeddings knows in part, noise of 0.1 to 10 times the signal, equal rows
or rows of 10 to 400 cells.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from perturbridge.effects import EffectModel
from perturbridge.embeddings import open_embedding
from perturbridge.values import Effects, EmbeddingCard, GeneEmbedding

from ._accuracy import folds, profiles, singles

NOISE = (0.1, 0.3, 1.0, 3.0, 10.0)


def run(*, quick: bool) -> list[dict]:
    folder, rows = os.environ.get("PERTURBRIDGE_DATA", ""), []
    if Path(folder, "profiles").is_dir():
        data, views = Path(folder), [open_embedding("go_words"), open_embedding("pathways")]
        for name in ("replogle22k562", "adamson16"):
            both = singles(singles(profiles(data, name), views[0]), views[1])
            rows.append({"screen": f"{name}, both views", **of_folds(both, views, seeds=1 if quick else 5)})
        norman = profiles(data, "norman19")
        rows.append({"screen": "norman19, singles and pairs", **of_folds(norman, views[0], seeds=1 if quick else 3)})
    rows += [
        {
            "screen": f"simulated, noise {noise:g}, {'uneven' if uneven else 'equal'} rows",
            **of_simulated(noise, uneven=uneven, seeds=1 if quick else 5),
        }
        for noise in NOISE
        for uneven in (False, True)
    ]
    return rows


def of_folds(effects: Effects, source, *, seeds: int) -> dict:
    """Coverage over all folds of all seeds."""
    parts = [
        covered(EffectModel(source).fit(train), test) for seed in range(seeds) for train, test in folds(effects, seed)
    ]
    return joined(parts)


def of_simulated(noise: float, *, uneven: bool, seeds: int) -> dict:
    """Coverage over screens that differ in their noise alone."""
    parts = []
    for seed in range(seeds):
        sources, train, test = screen(seed, noise=noise, uneven=uneven)
        parts.append(covered(EffectModel(sources).fit(train), test))
    return joined(parts)


def covered(model: EffectModel, test: Effects) -> dict[str, np.ndarray]:
    """For each test row: share of its genes within, whether all are within the band, whether it was flagged."""
    by_gene, whole = (model.predict(test.perturbations, level=0.9, band=band) for band in ("gene", "profile"))
    inside = (test.delta >= by_gene.lower) & (test.delta <= by_gene.upper)
    return {
        "coverage": inside.mean(axis=1),
        "rows": ((test.delta >= whole.lower) & (test.delta <= whole.upper)).all(axis=1),
        "flagged": np.array([status == "out_of_support" for status in by_gene.status]),
    }


def joined(parts: list[dict[str, np.ndarray]]) -> dict:
    return {key: float(np.concatenate([part[key] for part in parts]).mean()) for key in parts[0]}


def screen(seed: int, *, noise: float, uneven: bool) -> tuple[list[GeneEmbedding], Effects, Effects]:
    """Two embeddings, one of which knows a part of the effects; training and test rows."""
    rng, n, n_genes = np.random.default_rng(seed), 280, 200
    genes = tuple(f"P{i:03d}" for i in range(n))
    sources = [
        GeneEmbedding(
            vectors=rng.normal(size=(n, 20)).astype(np.float32),
            genes=genes,
            rows=np.arange(n),
            card=EmbeddingCard(name=name),
        )
        for name in ("knows", "knows_nothing")
    ]
    signal = sources[0].vectors @ rng.normal(size=(20, n_genes)) / np.sqrt(20) + rng.normal(size=(n, n_genes))
    scale = np.exp(rng.uniform(np.log(10), np.log(400), n)) if uneven else np.full(n, 100.0)
    heavy = rng.standard_t(5, size=signal.shape)
    delta = signal + np.sqrt(noise * 100.0 / scale)[:, None] * heavy
    effects = Effects.from_delta(delta, perturbations=genes)
    return sources, effects.take(effects.perturbations[:80]), effects.take(effects.perturbations[80:])
