"""Effects of unseen perturbations on published profiles: squared error on test rows over that of the training mean (lower is better).

`replogle22k562`, `adamson16`, `norman19`: mean profiles in 50 principal components minus control, known up to one rotation per data
set, read from the folder that PERTURBRIDGE_DATA names. Singles: the single-gene rows that have a vector; 5 folds (`KFold`, shuffled,
random_state = seed) x 5 seeds; squared errors of all test rows of a seed are summed before the ratio is taken, and the ratios of the
seeds are averaged. *lead*: `ours` less `genepert 1`, with the 95 % interval of a bootstrap over perturbations
(2,000 draws, squared errors of a row summed over seeds); where it holds 0 the two cannot be told apart. `genepert` is shown at each of its published penalties, of which the paper reports the best on test rows.
All: singles and pairs of norman19 together, 5 folds x 3 seeds, by how many genes of a pair were measured alone in training.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.model_selection import KFold

from perturbridge.effects import Additive, EffectModel, GenePert, MeanEffect, NearestNeighbors, ShuffledEmbedding
from perturbridge.embeddings import open_embedding
from perturbridge.values import Effects

SETS = ("replogle22k562", "adamson16", "norman19")
SOURCES = ("go_words", "pathways")
MODELS = {
    "ours": lambda s, seed: EffectModel(s),
    "genepert 0.1": lambda s, seed: GenePert(s, alpha=0.1),
    "genepert 1": lambda s, seed: GenePert(s, alpha=1.0),
    "genepert 10": lambda s, seed: GenePert(s, alpha=10.0),
    "neighbors": lambda s, seed: NearestNeighbors(s),
    "shuffled": lambda s, seed: ShuffledEmbedding(s, seed=seed),
}
WITH_PAIRS = {
    "ours": lambda s, seed: EffectModel(s),
    "genepert 1": lambda s, seed: GenePert(s, alpha=1.0),
    "additive": lambda s, seed: Additive(),
}


def run(*, quick: bool) -> list[dict]:
    folder = os.environ.get("PERTURBRIDGE_DATA", "")
    if not Path(folder, "profiles").is_dir():
        return [{"note": "PERTURBRIDGE_DATA names no folder with profiles/"}]
    data, seeds, rows = Path(folder), 1 if quick else 5, []
    for source_name in SOURCES:
        source = open_embedding(source_name)
        for name in SETS:
            effects = singles(profiles(data, name), source)
            figures = {model: ratio(make, effects, source, seeds=seeds) for model, make in MODELS.items()}
            figures["lead"] = lead(effects, source, seeds=seeds)
            rows.append(
                {
                    "profiles": f"{name}, singles",
                    "embedding": source_name,
                    "rows": len(effects.perturbations),
                    **figures,
                }
            )
    source, norman = open_embedding("go_words"), profiles(data, "norman19")
    by_model = {model: strata(make, norman, source, seeds=1 if quick else 3) for model, make in WITH_PAIRS.items()}
    for stratum in by_model["ours"]:
        figures = {model: found[stratum] for model, found in by_model.items()}
        rows.append(
            {
                "profiles": f"norman19, all: {stratum}",
                "embedding": "go_words",
                "rows": len(norman.perturbations),
                **figures,
            }
        )
    return rows


def profiles(data: Path, name: str) -> Effects:
    """Every measured perturbation of one file."""
    with np.load(data / "profiles" / f"{name}_centroid_delta50.npz") as file:
        kept = file["perturbation"] != "control"
        return Effects.from_delta(file["delta"][kept], perturbations=file["perturbation"][kept].astype(str).tolist())


def singles(effects: Effects, source) -> Effects:
    """Single-gene rows whose gene has a vector."""
    names = [p for p in effects.perturbations if p.is_single]
    found = source.locate([p.genes[0] for p in names]).found
    return effects.take([p for p, there in zip(names, found, strict=True) if there])


def ratio(make, effects: Effects, source, *, seeds: int = 5) -> float:
    """Squared error over that of the training mean, pooled over 5 folds, averaged over seeds."""
    found = []
    for seed in range(seeds):
        error = mean_error = 0.0
        for train, test in folds(effects, seed):
            error += squared(make(source, seed), train, test).sum()
            mean_error += squared(MeanEffect(), train, test).sum()
        found.append(error / mean_error)
    return float(np.mean(found))


def lead(effects: Effects, source, *, seeds: int) -> str:
    """Return the difference of ratios from GenePert at its default penalty, with its interval, as text."""
    makes = (MODELS["ours"], MODELS["genepert 1"], lambda s, _: MeanEffect())
    names = list(effects.perturbations)
    error = np.zeros((3, len(names)))
    for seed in range(seeds):
        for train, test in folds(effects, seed):
            rows = [names.index(name) for name in test.perturbations]
            for i, make in enumerate(makes):
                error[i, rows] += squared(make(source, seed), train, test)
    rng = np.random.default_rng(0)
    drawn = error[:, rng.integers(0, len(names), (2000, len(names)))].sum(axis=-1)
    low, high = np.quantile((drawn[0] - drawn[1]) / drawn[2], [0.025, 0.975])
    ours, theirs, mean = error.sum(axis=1)
    return f"{(ours - theirs) / mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def strata(make, effects: Effects, source, *, seeds: int = 3) -> dict[str, float]:
    """Squared error over that of the training mean, by stratum, pooled over folds and seeds."""
    error, mean_error = Counter(), Counter()
    for seed in range(seeds):
        for train, test in folds(effects, seed):
            measured = {p.genes[0] for p in train.perturbations if p.is_single}
            pairs = zip(
                test.perturbations,
                squared(make(source, seed), train, test),
                squared(MeanEffect(), train, test),
                strict=True,
            )
            for name, mine, of_mean in pairs:
                seen = sum(gene in measured for gene in name.genes)
                for stratum in ("every row", "single" if name.is_single else f"pair, {seen} of 2 measured"):
                    error[stratum] += mine
                    mean_error[stratum] += of_mean
    return {stratum: float(error[stratum] / mean_error[stratum]) for stratum in sorted(error)}


def folds(effects: Effects, seed: int):
    """Yield training and test effects of 5 shuffled folds."""
    names = effects.perturbations
    for train, test in KFold(5, shuffle=True, random_state=seed).split(names):
        yield effects.take([names[i] for i in train]), effects.take([names[i] for i in test])


def squared(model, train: Effects, test: Effects) -> np.ndarray:
    """Squared error of each test row."""
    predicted = model.fit(train).predict(test.perturbations).delta
    return ((predicted - test.delta) ** 2).sum(axis=1)
