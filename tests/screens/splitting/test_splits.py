"""Splits of perturbations: what each kind promises, and that nothing but names, seed and effect sizes draws them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perturbridge.errors import DataError
from perturbridge.screens import make_split
from perturbridge.values import Effects, as_names


def singles(n: int) -> list[str]:
    return [f"G{i:03d}" for i in range(n)]


def effects(names: list[str], *, seed: int = 0) -> Effects:
    """Effects whose size grows tenfold over the names, in a random order of rows."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(names))
    size = 10.0 ** (np.arange(len(names)) / len(names))
    delta = np.zeros((len(names), 3))
    delta[:, 1] = size
    return Effects.from_delta(delta[order], perturbations=[names[i] for i in order])


def screen_with_pairs(n_genes: int = 20, n_pairs: int = 60, *, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    genes = singles(n_genes)
    pairs = ["+".join(p) for p in combinations(genes, 2)]
    return genes + [pairs[i] for i in rng.permutation(len(pairs))[:n_pairs]]


class TestByPerturbation:
    @given(n=st.integers(5, 40), folds=st.integers(2, 5), seed=st.integers(0, 99), sized=st.booleans())
    def test_each_perturbation_is_tested_once_and_trains_otherwise(
        self, n: int, folds: int, seed: int, sized: bool
    ) -> None:
        names = singles(n)
        split = make_split(effects(names) if sized else names, folds=folds, seed=seed)
        tested = [name for fold in split.folds for name in fold.test]
        assert sorted(tested) == sorted(as_names(names))
        sizes = [len(fold.test) for fold in split.folds]
        assert max(sizes) - min(sizes) <= 1
        for fold in split.folds:
            assert set(fold.train) | set(fold.test) == set(as_names(names))

    def test_each_fold_holds_one_of_every_block_of_neighbors_in_effect_size(self) -> None:
        names = singles(50)
        for seed in range(20):
            for fold in make_split(effects(names), folds=5, seed=seed).folds:
                blocks = sorted(names.index(str(name)) // 5 for name in fold.test)
                assert blocks == list(range(10))

    def test_strata_are_thirds_of_effect_size(self) -> None:
        names = singles(30)
        split = make_split(effects(names), folds=5)
        label = {str(n): s for fold in split.folds for n, s in zip(fold.test, fold.strata, strict=True)}
        assert [label[name] for name in names] == ["weak"] * 10 + ["middle"] * 10 + ["strong"] * 10

    def test_singles_and_pairs_spread_over_the_folds(self) -> None:
        names = sorted(screen_with_pairs(n_genes=20, n_pairs=20))
        for fold in make_split(effects(names), folds=5).folds:
            assert sum(name.is_single for name in fold.test) == 4

    def test_names_alone_have_no_strata(self) -> None:
        assert all(fold.strata == () for fold in make_split(singles(10)).folds)

    def test_seeds_differ(self) -> None:
        assert len({make_split(singles(30), seed=seed).hash for seed in range(10)}) == 10
        assert len({make_split(effects(singles(30)), seed=seed).hash for seed in range(10)}) == 10

    def test_effect_sizes_change_the_deal_but_not_the_direction_of_effects(self) -> None:
        table = effects(singles(30))
        flipped = Effects.from_delta(-table.delta, perturbations=table.perturbations)
        assert make_split(table).hash == make_split(flipped).hash
        assert make_split(table).hash != make_split(effects(singles(30)[::-1])).hash


@pytest.mark.parametrize("kind", ["perturbation", "combination"])
@given(order=st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(kind: str, order) -> None:
    names = screen_with_pairs()
    table = effects(names)
    shuffled = list(table.perturbations)
    order.shuffle(shuffled)
    assert make_split(table.take(shuffled), kind=kind).hash == make_split(table, kind=kind).hash
    assert make_split(shuffled, kind=kind).hash == make_split(names, kind=kind).hash


def test_golden_hash() -> None:
    """Recipe: 12 names G000 … G011, three folds, seed 7, names alone; then all 66 pairs of them on top, by combination."""
    names = singles(12)
    assert make_split(names, folds=3, seed=7).hash[:16] == "1f22c142b46bd5ad"
    pairs = ["+".join(p) for p in combinations(names, 2)]
    assert make_split(names + pairs, kind="combination", folds=3, seed=7).hash[:16] == "41df67dde63dfc2c"


class TestByCombination:
    @given(seed=st.integers(0, 30), folds=st.integers(2, 6))
    def test_held_out_genes_are_nowhere_in_training_and_strata_tell_the_truth(self, seed: int, folds: int) -> None:
        names = screen_with_pairs(seed=seed)
        split = make_split(names, kind="combination", folds=folds, seed=seed)
        held_out_once: list[str] = []
        for fold in split.folds:
            seen = {gene for name in fold.train for gene in name.genes}
            unseen = {name.genes[0] for name in fold.test if name.is_single}
            assert not seen & unseen
            held_out_once += unseen
            for name, stratum in zip(fold.test, fold.strata, strict=True):
                n_seen = sum(gene in seen for gene in name.genes)
                assert stratum == ("single unseen" if name.is_single else f"{n_seen}/2 seen")
            assert {name for name in as_names(names) if set(name.genes) & unseen} <= set(fold.test)
        assert sorted(held_out_once) == singles(20)

    def test_every_stratum_occurs(self) -> None:
        for fold in make_split(screen_with_pairs(n_pairs=150), kind="combination").folds:
            assert set(fold.strata) == {"single unseen", "0/2 seen", "1/2 seen", "2/2 seen"}

    def test_each_pair_with_both_genes_seen_is_held_out_at_most_once_as_such(self) -> None:
        split = make_split(screen_with_pairs(n_pairs=150), kind="combination")
        pairs = [n for f in split.folds for n, s in zip(f.test, f.strata, strict=True) if s == "2/2 seen"]
        assert len(pairs) == len(set(pairs)) > 0

    def test_genes_of_many_pairs_spread_over_the_folds(self) -> None:
        """Five hubs, each in nine pairs, among twenty genes."""
        genes = singles(20)
        hubs = genes[1::4]
        names = genes + [f"{hub}+{other}" for hub in hubs for other in genes[::2][:9]]
        for seed in range(10):
            for fold in make_split(names, kind="combination", folds=5, seed=seed).folds:
                assert sum(name.is_single and str(name) in hubs for name in fold.test) == 1

    def test_a_gene_that_no_training_row_holds_is_not_called_seen(self) -> None:
        """X and Y occur in one pair only: when that pair is held out, nothing of it was seen."""
        names = [*screen_with_pairs(n_genes=10, n_pairs=20), "X+Y"]
        for seed in range(20):
            for fold in make_split(names, kind="combination", seed=seed).folds:
                for name, stratum in zip(fold.test, fold.strata, strict=True):
                    if str(name) == "X+Y":
                        assert stratum == "0/2 seen"

    def test_triples(self) -> None:
        names = [*singles(9), *("+".join(t) for t in combinations(singles(9), 3))]
        strata = {s for fold in make_split(names, kind="combination", folds=3).folds for s in fold.strata}
        assert strata == {"single unseen", "0/3 seen", "1/3 seen", "2/3 seen", "3/3 seen"}


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (singles(4), {"folds": 1}, "1 folds were asked for"),
        (singles(4), {"folds": 5}, "4 perturbations for 5 folds"),
        (singles(4), {"kind": "combination"}, "None of the 4 perturbations is a combination"),
        (["A+B", "A", "B"], {"kind": "combination", "folds": 3}, "2 perturbed genes for 3 folds"),
        (singles(4), {"kind": "cells"}, "kind is 'cells'"),
        (["A", "A"], {"folds": 2}, "A stands more than once"),
    ],
)
def test_impossible_splits_are_refused(names, options, message) -> None:
    with pytest.raises(DataError, match=message):
        make_split(names, **options)
