"""Which perturbations train and which test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from perturbridge._checks import one_of
from perturbridge.errors import DataError
from perturbridge.values import Effects, Fold, PerturbationName, Screen, Split, as_names

from ._by_level import by_level
from ._by_similarity import by_similarity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import GeneEmbedding, Labels

__all__ = ["make_split", "seen_label"]

LEVELS = ("context", "sample", "state")

STRENGTHS = ("weak", "middle", "strong")


def make_split(
    perturbations: Effects | Screen | Sequence[str | PerturbationName],
    /,
    *,
    kind: Literal["perturbation", "combination", "similarity", "context", "sample", "state"] = "perturbation",
    folds: int | None = None,
    seed: int = 0,
    embedding: GeneEmbedding | None = None,
) -> Split:
    """Divide perturbations, or the cells of whole contexts or samples, into training and test, by name.

    `kind="perturbation"`: k folds, each perturbation is tested once. With effects, perturbations are ranked by number of
    genes and ‖Δ‖₂ and dealt in blocks of k neighbours, one to each fold, so that every fold holds weak and strong ones, singles
    and combinations; the stratum of a test row is its third of ‖Δ‖₂ (`"weak"`, `"middle"`, `"strong"`). The effect size serves
    this and nothing else. With names alone the deal is at random and strata are empty.

    `kind="combination"`: the genes are divided into k parts, dealt so that genes of many combinations spread over the parts. Fold i
    holds out every perturbation with a gene of part i, and one k-th of the other combinations. Strata: `"single unseen"`, and
    `"0/2 seen"`, `"1/2 seen"`, `"2/2 seen"` by how many genes of a pair occur in any training perturbation (`"1/3 seen"` and so on
    for more genes). A combination can be tested in several folds.

    `kind="similarity"`: perturbations that an embedding sees as alike (average linkage of 1 − cosine) are dealt together, so that
    the nearest training perturbation is far; strata are the thirds of that distance, `"near"`, `"middle"`, `"far"`, and
    `"no vector"`. `nearest_training` gives the distances.

    `kind="context"`, `"sample"` or `"state"`, of a screen: all cells of some levels are the test cells, one level per fold where
    `folds` is not given; strata are `"seen elsewhere"` and `"unseen"`. `split_screen` gives the two sides. Levels without
    controls or without perturbed cells are never held out.

    No value of a cell is read, so that there is nothing to spread over workers; the dearest split, by similarity, groups all perturbations
    in one go.

    Parameters
    ----------
    perturbations
        Effects, a screen, or perturbation names; their order does not matter.
    kind
        What must be new in the test rows.
    folds
        Number of folds k; default 5, or one per level.
    seed
        Draws the deal.
    embedding
        What is similar, for `kind="similarity"`.

    Returns
    -------
    Split
        Folds named `fold0`, `fold1`, … with sorted names, and a hash.

    Raises
    ------
    DataError
        If there are fewer than two folds, too few perturbations or genes for them, or no combination to hold out.
    """
    one_of("kind", kind, ("perturbation", "combination", "similarity", *LEVELS))
    if folds is not None and folds < 2:
        problem = f"{folds} folds were asked for."
        raise DataError(problem, cure="Ask for at least two, so that each has training rows.")
    if kind in LEVELS:
        if not isinstance(perturbations, Screen):
            problem = f"A {kind} can be held out of a screen, not of {type(perturbations).__name__}."
            raise DataError(problem, cure="Pass the screen that read_screen returns.")
        labels: Labels | None = getattr(perturbations, kind)
        held = by_level(perturbations, labels, kind=kind, folds=folds, seed=seed)
        return Split(kind=kind, seed=seed, folds=held, by=labels.column if labels else "")
    names = sorted(_names_of(perturbations))
    n_folds = 5 if folds is None else folds
    if kind == "combination":
        return Split(kind=kind, seed=seed, folds=_by_gene(names, n_folds, seed=seed))
    if kind == "similarity":
        return Split(kind=kind, seed=seed, folds=by_similarity(names, n_folds, embedding=embedding, seed=seed))
    sizes = _effect_sizes(perturbations) if isinstance(perturbations, Effects) else {}
    return Split(kind=kind, seed=seed, folds=_by_perturbation(names, n_folds, sizes=sizes, seed=seed))


def _names_of(perturbations: Effects | Screen | Sequence[str | PerturbationName]) -> tuple[PerturbationName, ...]:
    return perturbations.perturbations if isinstance(perturbations, Effects | Screen) else as_names(perturbations)


def _by_perturbation(
    names: list[PerturbationName], folds: int, /, *, sizes: dict[PerturbationName, float], seed: int
) -> tuple[Fold, ...]:
    if len(names) < folds:
        problem = f"There are {len(names)} perturbations for {folds} folds."
        raise DataError(problem, cure="Use fewer folds.")
    rng = np.random.default_rng(seed)
    # Without sizes every rank is a tie, so one block is the whole list and the deal is a plain shuffle.
    ranked = sorted(names, key=lambda name: (len(name.genes), sizes[name], name)) if sizes else names
    part = _deal(len(names), folds, rng=rng) if sizes else rng.permutation(len(names)) % folds
    fold_of = dict(zip(ranked, part.tolist(), strict=True))
    strength = _strengths(sizes)
    result = []
    for i in range(folds):
        test = tuple(name for name in names if fold_of[name] == i)
        result.append(
            Fold(
                name=f"fold{i}",
                train=tuple(name for name in names if fold_of[name] != i),
                test=test,
                strata=tuple(strength[name] for name in test) if sizes else (),
            )
        )
    return tuple(result)


def _by_gene(names: list[PerturbationName], folds: int, /, *, seed: int) -> tuple[Fold, ...]:
    combinations = [name for name in names if len(name.genes) > 1]
    if not combinations:
        problem = f"None of the {len(names)} perturbations is a combination."
        raise DataError(problem, cure="Use kind='perturbation'.")
    degree = {gene: 0 for name in names for gene in name.genes}
    for name in combinations:
        for gene in name.genes:
            degree[gene] += 1
    if len(degree) < folds:
        problem = f"There are {len(degree)} perturbed genes for {folds} folds."
        raise DataError(problem, cure="Use fewer folds.")
    rng = np.random.default_rng(seed)
    genes = sorted(degree, key=lambda gene: (-degree[gene], gene))
    part_of_gene = dict(zip(genes, _deal(len(genes), folds, rng=rng).tolist(), strict=True))
    part_of_pair = dict(zip(combinations, (rng.permutation(len(combinations)) % folds).tolist(), strict=True))
    result = []
    for i in range(folds):
        test = [
            name for name in names if any(part_of_gene[gene] == i for gene in name.genes) or part_of_pair.get(name) == i
        ]
        held_out = set(test)
        train = tuple(name for name in names if name not in held_out)
        seen = {gene for name in train for gene in name.genes}
        result.append(
            Fold(name=f"fold{i}", train=train, test=tuple(test), strata=tuple(seen_label(name, seen) for name in test))
        )
    return tuple(result)


def seen_label(name: PerturbationName, seen: set[str]) -> str:
    n_seen = sum(gene in seen for gene in name.genes)
    if name.is_single:
        return "single seen" if n_seen else "single unseen"
    return f"{n_seen}/{len(name.genes)} seen"


def _deal(n: int, parts: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Give each block of `parts` neighbours one entry per part; the last, shorter block goes to parts drawn at random."""
    deals = [rng.permutation(parts) for _ in range(-(-n // parts))]
    return np.concatenate(deals)[:n].astype(np.int64)


def _effect_sizes(effects: Effects) -> dict[PerturbationName, float]:
    rows = np.ascontiguousarray(effects.delta)
    return {name: float(np.linalg.norm(row)) for name, row in zip(effects.perturbations, rows, strict=True)}


def _strengths(sizes: dict[PerturbationName, float]) -> dict[PerturbationName, str]:
    ranked = sorted(sizes, key=lambda name: (sizes[name], name))
    return {name: STRENGTHS[3 * i // len(ranked)] for i, name in enumerate(ranked)}
