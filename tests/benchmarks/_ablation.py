"""What each part of `EffectModel` contributes: squared error on test rows over that of the training mean, lower is better.

Profiles and folds as in `accuracy`. *both*: rows with a vector in `go_words` and in `pathways`; *all*: every single-gene row, those without
any vector predicted as the mean and counted. *pairs*: the pairs of norman19 in 5 folds, all singles in training, by how many of their genes
occur in other training pairs. The row *everything* is the model as it ships; each further row leaves one part out; the last rows are other models
on the same rows. Parts that the published profiles cannot show (they have neither gene names nor numbers of cells) are measured on the
simulated screen at the end: 120 knock-downs, 10 to 400 cells each, error against the truth that was simulated.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import KFold

from perturbridge.effects import Additive, EffectModel, GenePert, MeanEffect
from perturbridge.embeddings import open_embedding
from perturbridge.values import ContextTable, Effects, EmbeddingCard, GeneEmbedding

from ._accuracy import profiles, ratio, singles

PARTS = ("direction_shrinkage", "shrinkage", "source_weights")
# These exist only where there are combinations; on singles the model without them is the model itself.
PAIR_PARTS = ("interactions", "own_effects")
SIMULATED_PARTS = ("row_weights", "target_gene", "shrinkage", "direction_shrinkage")


def run(*, quick: bool) -> list[dict]:
    folder = os.environ.get("PERTURBRIDGE_DATA", "")
    rows = on_profiles(Path(folder), quick=quick) if Path(folder, "profiles").is_dir() else []
    seeds = 2 if quick else 10
    for label, model in {
        "simulated screen: everything": {},
        **{f"simulated screen: without {part}": {"without": (part,)} for part in SIMULATED_PARTS},
    }.items():
        rows.append({"model": label, **simulated(model, seeds=seeds)})
    return rows


def on_profiles(data: Path, *, quick: bool) -> list[dict]:
    """One row per model over the published profiles."""
    views = [open_embedding("go_words"), open_embedding("pathways")]
    sets = {name: profiles(data, name) for name in ("replogle22k562", "adamson16")}
    both = {name: singles(singles(effects, views[0]), views[1]) for name, effects in sets.items()}
    every = {name: e.take([p for p in e.perturbations if p.is_single]) for name, e in sets.items()}
    norman, seeds = profiles(data, "norman19"), 1 if quick else 5

    def row(label: str, make, *, source=views, alone: bool = True, pairs: bool = True, whole: bool = True) -> dict:
        found: dict = {"model": label}
        for name in sets if alone else ():
            short = name.removesuffix("22k562").removesuffix("16")
            found[f"{short} both"] = ratio(make, both[name], source, seeds=seeds)
            if whole:
                found[f"{short} all"] = ratio(make, every[name], source, seeds=seeds)
        return found | (pair_ratios(make, norman, views[0], seeds=1 if quick else 3) if pairs else {})

    rows = [row("everything", lambda s, _: EffectModel(s))]
    rows += [row(f"without {part}", lambda s, _, p=part: EffectModel(s, without=(p,))) for part in PARTS]
    rows += [
        row(f"without {part}", lambda s, _, p=part: EffectModel(s, without=(p,)), alone=False) for part in PAIR_PARTS
    ]
    rows += [row(f"{view.name} alone", lambda s, _: EffectModel(s), source=view, pairs=False) for view in views]
    shuffles = [
        ratio_rows(both, [*views, shuffled(views[0], seed=k)], seeds=1 if quick else 2)
        for k in range(1 if quick else 5)
    ]
    third = {key: float(np.mean([found[key] for found in shuffles])) for key in shuffles[0]}
    rows.append({"model": "with a third, shuffled source (mean over shuffles)", **third})
    rows.append(
        {"model": "everything, the same folds as the shuffles", **ratio_rows(both, views, seeds=1 if quick else 2)}
    )
    rows += [row(f"rank {rank}", lambda s, _, r=rank: EffectModel(s, rank=r), whole=False) for rank in (8, 16)]
    rows.append(row("GenePert, α = 1", lambda s, _: GenePert(s[1] if isinstance(s, list) else s), whole=False))
    rows.append(
        {"model": "additive", **pair_ratios(lambda s, _: Additive(), norman, views[0], seeds=1 if quick else 3)}
    )
    return rows


def ratio_rows(both: dict[str, Effects], source, *, seeds: int) -> dict:
    return {
        f"{name.removesuffix('22k562').removesuffix('16')} both": ratio(
            lambda s, _: EffectModel(s), effects, source, seeds=seeds
        )
        for name, effects in both.items()
    }


def shuffled(source: GeneEmbedding, *, seed: int) -> GeneEmbedding:
    """The same vectors dealt out to the wrong genes."""
    rows = np.random.default_rng(seed).permutation(source.rows)
    return replace(source, rows=rows, card=replace(source.card, name="shuffled"))


def pair_ratios(make, effects: Effects, source, *, seeds: int) -> dict[str, float]:
    """Error on pairs over that of the training mean; all singles are in training."""
    names = effects.perturbations
    alone = [p for p in names if p.is_single]
    measured = {p.genes[0] for p in alone}
    pairs = [p for p in names if not p.is_single and set(p.genes) <= measured]
    error, of_mean = Counter(), Counter()
    for seed in range(seeds):
        for train, test in KFold(5, shuffle=True, random_state=seed).split(pairs):
            seen = {gene for i in train for gene in pairs[i].genes}
            table, asked = effects.take([*alone, *(pairs[i] for i in train)]), effects.take([pairs[i] for i in test])
            predicted = make(source, seed).fit(table).predict(asked.perturbations).delta
            mean = MeanEffect().fit(table).predict(asked.perturbations).delta
            for i, name in enumerate(asked.perturbations):
                strata = ("pairs", f"pairs {sum(gene in seen for gene in name.genes)}/2")
                for stratum in strata:
                    error[stratum] += float(((predicted[i] - asked.delta[i]) ** 2).sum())
                    of_mean[stratum] += float(((mean[i] - asked.delta[i]) ** 2).sum())
    return {stratum: error[stratum] / of_mean[stratum] for stratum in sorted(error)}


def simulated(settings: dict, *, seeds: int) -> dict[str, float]:
    """Error on 60 unseen knock-downs against the simulated truth, over that of the training mean: all genes, and the targets alone."""
    error = np.zeros((2, 2))
    for seed in range(seeds):
        source, effects, truth = knockdowns(seed)
        train, test = effects.take(effects.perturbations[:120]), list(truth)[120:]
        target = np.array([effects.genes.index(gene) for gene in test])
        wanted, at = np.array([truth[gene] for gene in test]), np.arange(len(test))
        for k, model in enumerate((EffectModel(source, **settings), MeanEffect())):
            off = model.fit(train).predict(test).delta - wanted
            on_target = (off[at, target] ** 2).sum()
            error[:, k] += (off**2).sum() - on_target, on_target
    return {"other genes": error[0, 0] / error[0, 1], "target gene": error[1, 0] / error[1, 1]}


def knockdowns(seed: int) -> tuple[GeneEmbedding, Effects, dict[str, np.ndarray]]:
    """Effects that a 16-dimensional embedding knows in part, with sampling noise by numbers of cells, and knock-down of each target by 80 %."""
    rng, n, n_genes = np.random.default_rng(seed), 180, 300
    genes = tuple(f"G{i:03d}" for i in range(n_genes))
    vectors = rng.normal(size=(n, 16)).astype(np.float32)
    source = GeneEmbedding(vectors=vectors, genes=genes[:n], rows=np.arange(n), card=EmbeddingCard(name="simulated"))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    control = rng.uniform(0.1, 2.5, n_genes)
    loadings = rng.normal(size=(16, n_genes)) * 0.3
    true = unit @ loadings + 0.05 * rng.normal(size=(n, n_genes)) + 0.05 * rng.normal(size=n_genes)
    linear = np.expm1(control)
    at = np.arange(n)
    true[at, at] = np.log1p(0.2 * linear[:n]) - control[:n]
    n_cells, variance = np.exp(rng.uniform(np.log(10), np.log(400), n)).astype(int), np.full((n, n_genes), 0.5)
    delta = true + rng.normal(size=true.shape) * np.sqrt(variance / n_cells[:, None])
    table = ContextTable(
        names=("one",),
        n_perturbed=n_cells[:, None],
        n_control=np.array([5000]),
        control_mean=control[None],
        control_variance=np.full((1, n_genes), 0.5),
    )
    effects = Effects(
        perturbations=genes[:n],
        genes=genes,
        delta=delta,
        n_cells=n_cells,
        control_mean=control,
        variance=variance,
        contexts=table,
    )
    return source, effects, dict(zip(genes[:n], true, strict=True))
