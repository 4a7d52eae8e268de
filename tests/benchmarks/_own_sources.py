"""What sources computed from the screen itself add: squared error on held-out perturbations over that of the training mean, lower is better.

Single-gene rows, 5 folds x 5 seeds as in `accuracy`, target genes left out of the error, all genes that were measured. The screens with cells: Norman 2019 (500
genes, 18 singles), Papalexi 2021 (299 genes, 25 singles); and Adamson 2016, singles x the genes that are significant in any of
them (what is absent counts as 0), which has no control cells. Replogle's profiles have no gene axis, so that neither source exists there.
*n*: rows; *measured*: how many of the perturbed genes are measured, and so have a vector; below five there is nothing to learn from. *lead*: of go_words and the source over go_words, with
the 95 % interval of a bootstrap over perturbations.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from perturbridge.effects import EffectModel, MeanEffect, TrainingResponses
from perturbridge.embeddings import open_embedding
from perturbridge.pipeline._own_sources import own_source
from perturbridge.screens import pseudobulk, read_screen
from perturbridge.values import Effects

from ._accuracy import folds

SCREENS = ("norman2019_k562_crispra", "papalexi2021_thp1_eccite")
FEWEST_MEASURED = 5


def run(*, quick: bool) -> list[dict]:
    data = Path(os.environ.get("PERTURBRIDGE_DATA", ""))
    if not (data / "screens").is_dir():
        return [{"note": "PERTURBRIDGE_DATA names no folder with screens/"}]
    rows, words = [], open_embedding("go_words")
    for name in SCREENS:
        screen = read_screen(data / "screens" / f"{name}.h5ad")
        own = {key: own_source(key, screen) for key in ("coexpression", "training_responses")}
        effects = alone(pseudobulk(screen))
        measured = sum(p.genes[0] in effects.genes for p in effects.perturbations)
        if measured < FEWEST_MEASURED:
            rows.append(
                {
                    "screen": name,
                    "n": len(effects.perturbations),
                    "measured": measured,
                    "sources": "too few are measured",
                }
            )
            continue
        rows += of(name, effects, words, own, seeds=1 if quick else 5)
    return rows + of(
        "adamson2016_upr", adamson(data), words, {"training_responses": TrainingResponses()}, seeds=1 if quick else 5
    )


def of(name: str, effects: Effects, words, own: dict, *, seeds: int) -> list[dict]:
    """One row for each source, and for all of them."""
    plain, mean = errors([words], effects, seeds=seeds), errors([], effects, seeds=seeds)
    measured = len({p.genes[0] for p in effects.perturbations} & set(effects.genes))
    head = {"screen": name, "n": len(effects.perturbations), "measured": measured}
    rows = [{**head, "sources": "go_words", "ratio": float(plain.sum() / mean.sum())}]
    for label, more in {**{key: [source] for key, source in own.items()}, "all": list(own.values())}.items():
        if label == "all" and len(own) < 2:
            continue
        found = errors([words, *more], effects, seeds=seeds)
        rows.append(
            {
                **head,
                "sources": f"go_words, {label}",
                "ratio": float(found.sum() / mean.sum()),
                "lead": lead(found, plain, mean),
            }
        )
        if label != "all":
            single = errors(more, effects, seeds=seeds)
            rows.append({**head, "sources": label, "ratio": float(single.sum() / mean.sum())})
    return rows


def lead(ours: np.ndarray, theirs: np.ndarray, mean: np.ndarray) -> str:
    drawn = np.random.default_rng(0).integers(0, len(mean), (2000, len(mean)))
    low, high = np.quantile((ours - theirs)[drawn].sum(axis=1) / mean[drawn].sum(axis=1), [0.025, 0.975])
    return f"{(ours - theirs).sum() / mean.sum():+.3f} [{low:+.3f}, {high:+.3f}]"


def errors(sources: list, effects: Effects, *, seeds: int) -> np.ndarray:
    """Squared error of each row over seeds, its own target left out; of the mean where there is no source."""
    column, names = {gene: j for j, gene in enumerate(effects.genes)}, list(effects.perturbations)
    out = np.zeros(len(names))
    for seed in range(seeds):
        for train, test in folds(effects, seed):
            model = EffectModel(sources) if sources else MeanEffect()
            off = model.fit(train).predict(test.perturbations).delta - test.delta
            for i, name in enumerate(test.perturbations):
                off[i, [column[gene] for gene in name.genes if gene in column]] = 0.0
                out[names.index(name)] += float(off[i] @ off[i])
    return out


def alone(effects: Effects) -> Effects:
    """Single-gene rows."""
    return effects.take([name for name in effects.perturbations if name.is_single])


def adamson(data: Path) -> Effects:
    """Δ of the published table, 0 where it names none."""
    table = pd.read_parquet(data / "profiles" / "adamson2016_upr_significant_deltas.parquet")
    table = table.assign(delta=table["mean_perturbed"] - table["mean_control"])
    wide = table.pivot_table(index="perturbation", columns="gene", values="delta", aggfunc="first")
    wide = wide.fillna(0.0)
    return Effects.from_delta(
        wide.to_numpy(), perturbations=[str(p) for p in wide.index], genes=tuple(map(str, wide.columns))
    )
