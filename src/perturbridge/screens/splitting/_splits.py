"""Which perturbations train and which test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from perturbridge._checks import one_of
from perturbridge.errors import DataError
from perturbridge.values import Effects, Fold, PerturbationName, Split, as_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["make_split"]

STRENGTHS = ("weak", "middle", "strong")


def make_split(
    perturbations: Effects | Sequence[str | PerturbationName],
    /,
    *,
    kind: Literal["perturbation", "combination"] = "perturbation",
    folds: int = 5,
    seed: int = 0,
) -> Split:
    """Divide perturbations into training and test, by name.

    `kind="perturbation"`: k folds, each perturbation is tested once. With effects, perturbations are ranked by number of
    genes and ‖Δ‖₂ and dealt in blocks of k neighbours, one to each fold, so that every fold holds weak and strong ones, singles
    and combinations; the stratum of a test row is its third of ‖Δ‖₂ (`"weak"`, `"middle"`, `"strong"`). The effect size serves
    this and nothing else. With names alone the deal is at random and strata are empty.

    `kind="combination"`: the genes are divided into k parts, dealt so that genes of many combinations spread over the parts. Fold i
    holds out every perturbation with a gene of part i, and one k-th of the other combinations. Strata: `"single unseen"`, and
    `"0/2 seen"`, `"1/2 seen"`, `"2/2 seen"` by how many genes of a pair occur in any training perturbation (`"1/3 seen"` and so on
    for more genes). A combination can be tested in several folds.

    Parameters
    ----------
    perturbations
        Effects, or perturbation names; their order does not matter.
    kind
        What must be new in the test rows.
    folds
        Number of folds k.
    seed
        Draws the deal.

    Returns
    -------
    Split
        Folds named `fold0`, `fold1`, … with sorted names, and a hash.

    Raises
    ------
    DataError
        If there are fewer than two folds, too few perturbations or genes for them, or no combination to hold out.
    """
    one_of("kind", kind, ("perturbation", "combination"))
    if folds < 2:
        problem = f"{folds} folds were asked for."
        raise DataError(problem, cure="Ask for at least two, so that each has training rows.")
    names = perturbations.perturbations if isinstance(perturbations, Effects) else as_names(perturbations)
    if kind == "combination":
        return Split(kind=kind, seed=seed, folds=_by_gene(sorted(names), folds, seed=seed))
    sizes = _effect_sizes(perturbations) if isinstance(perturbations, Effects) else {}
    return Split(kind=kind, seed=seed, folds=_by_perturbation(sorted(names), folds, sizes=sizes, seed=seed))


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
            Fold(name=f"fold{i}", train=train, test=tuple(test), strata=tuple(_seen_label(name, seen) for name in test))
        )
    return tuple(result)


def _seen_label(name: PerturbationName, seen: set[str]) -> str:
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
