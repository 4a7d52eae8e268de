"""The simulator keeps its word: what it says is planted can be found in the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest

from perturbridge.errors import DataError, EmbeddingError
from perturbridge.screens import pseudobulk, read_screen, simulate
from perturbridge.values import EmbeddingCard, GeneEmbedding

if TYPE_CHECKING:
    from pathlib import Path


def embedding(names: list[str], n_dims: int = 20) -> GeneEmbedding:
    vectors = np.random.default_rng(0).normal(size=(len(names), n_dims)).astype(np.float32)
    card = EmbeddingCard(name="given")
    return GeneEmbedding(vectors=vectors, genes=tuple(names), rows=np.arange(len(names)), card=card)


@pytest.fixture(scope="module")
def simulated() -> simulate.SimulatedScreen:
    return simulate.screen(n_pairs=12, seed=11)


class TestTruth:
    def test_parts_add_up(self, simulated) -> None:
        truth = simulated.truth
        n_targets = np.array([len(name.genes) for name in simulated.screen.perturbations])
        parts = n_targets[:, None] * truth.common + truth.embedding_effects + truth.specific_effects
        np.testing.assert_allclose(truth.log_effects, parts + truth.interactions + truth.knockdown)
        np.testing.assert_allclose(truth.embedding_effects, truth.features @ truth.map)
        assert not truth.interactions[n_targets == 1].any()
        assert truth.interactions[n_targets == 2].any()

    def test_pairs_are_the_sum_of_their_singles_plus_the_interaction(self, simulated) -> None:
        names = simulated.screen.perturbations
        row = {name.genes: i for i, name in enumerate(names)}
        for i, name in enumerate(names):
            if len(name.genes) == 2:
                a, b = (simulated.truth.log_effects[row[gene,]] for gene in name.genes)
                np.testing.assert_allclose(simulated.truth.log_effects[i], a + b + simulated.truth.interactions[i])

    def test_features_are_the_centered_normalized_vectors_of_the_targets(self, simulated) -> None:
        singles = [name.genes[0] for name in simulated.screen.perturbations if name.is_single]
        rows = simulated.embedding.locate(singles).rows
        vectors = simulated.embedding.vectors[rows].astype(float)
        centered = vectors - vectors.mean(axis=0)
        found = simulated.truth.features[[name.is_single for name in simulated.screen.perturbations]]
        np.testing.assert_allclose(found, centered / np.linalg.norm(centered, axis=1, keepdims=True), atol=1e-12)

    @pytest.mark.parametrize("specificity", [0.0, 0.5, 1.0])
    def test_specificity_is_the_share_of_variance_off_the_map(self, specificity: float) -> None:
        truth = simulate.screen(
            n_perturbations=80, n_genes=500, cells_per_perturbation=1, specificity=specificity
        ).truth
        on, off = (truth.embedding_effects**2).mean(), (truth.specific_effects**2).mean()
        assert off / (on + off) == pytest.approx(specificity, abs=0.06)

    def test_knock_down_stands_at_the_targets_that_are_measured(self, simulated) -> None:
        screen = simulated.screen
        for i, name in enumerate(screen.perturbations):
            hit = {gene for gene, value in zip(screen.genes, simulated.truth.knockdown[i], strict=True) if value}
            assert hit == set(name.genes) & set(screen.genes)
        singles = [name.genes[0] for name in screen.perturbations if name.is_single]
        assert sum(gene in screen.genes for gene in singles) == 48


class TestCounts:
    def test_mean_and_variance_are_negative_binomial(self) -> None:
        """One context, sample and state, no effect: cells differ by library size alone, known for each of them."""
        plain = {"n_contexts": 1, "n_samples": 1, "n_states": 1, "effect_scale": 0.0, "knockdown": 1.0}
        for dispersion in (0.0, 0.4):
            made = simulate.screen(n_perturbations=2, n_genes=80, n_controls=20_000, dispersion=dispersion, **plain)
            share = np.exp(
                made.truth.baseline
                + made.truth.context_effects[0]
                + made.truth.sample_effects[0]
                + made.truth.state_programs[0]
            )
            mean = made.library_sizes[:, None] * share / share.sum()
            z = (made.counts - mean) / np.sqrt(mean + dispersion * mean**2)
            n = len(z)
            assert np.abs(z.mean(axis=0)).max() < 5 / np.sqrt(n)
            often = mean.mean(axis=0) > 0.5
            np.testing.assert_allclose((z[:, often] ** 2).mean(axis=0), 1, atol=0.12)

    def test_library_size(self) -> None:
        made = simulate.screen(n_perturbations=4, n_controls=4000, library_size=700.0)
        assert made.library_sizes.mean() == pytest.approx(700, rel=0.03)
        assert np.log(made.library_sizes).std() == pytest.approx(0.35, rel=0.05)
        assert made.counts.sum(axis=1).mean() == pytest.approx(700, rel=0.03)

    def test_screen_holds_the_counts(self, simulated) -> None:
        screen = simulated.screen
        chunk = screen.source.read_rows(0, screen.n_cells)
        dense = np.zeros(simulated.counts.shape, dtype=int)
        dense[np.repeat(np.arange(chunk.n_rows), np.diff(chunk.indptr)), chunk.indices] = chunk.data
        np.testing.assert_array_equal(dense, simulated.counts)


class TestDesign:
    def test_sizes(self, simulated) -> None:
        codes = simulated.screen.perturbation_codes
        assert len(simulated.screen.perturbations) == 72
        assert (codes == -1).sum() == 600
        assert set(np.bincount(codes[codes >= 0])) == {50}
        assert simulated.screen.n_genes == 300

    def test_balanced_by_default(self, simulated) -> None:
        screen = simulated.screen
        for code in range(-1, 72):
            per_context = np.bincount(screen.context.codes[screen.perturbation_codes == code], minlength=3)
            assert per_context.max() - per_context.min() <= 1

    @pytest.mark.parametrize("confounding", [0.0, 0.6, 1.0])
    def test_confounding_is_the_share_of_cells_in_the_home_context(self, confounding: float) -> None:
        screen = simulate.screen(
            confounding=confounding, cells_per_perturbation=90, n_contexts=3, n_perturbations=12
        ).screen
        for code in range(12):
            share = (screen.context.codes[screen.perturbation_codes == code] == code % 3).mean()
            assert share == pytest.approx(confounding + (1 - confounding) / 3, abs=0.08)
        control = np.bincount(screen.context.codes[screen.perturbation_codes == -1])
        assert control.max() - control.min() <= 1

    def test_states_follow_their_shares(self) -> None:
        made = simulate.screen(n_perturbations=3, cells_per_perturbation=8000, n_controls=8000, n_states=3, n_genes=4)
        for code, share in enumerate([*made.truth.state_shares, made.truth.control_state_shares]):
            cells = made.screen.perturbation_codes == (code if code < 3 else -1)
            found = np.bincount(made.screen.state.codes[cells], minlength=3) / cells.sum()
            np.testing.assert_allclose(found, share, atol=0.025)

    def test_levels_are_named_in_order(self) -> None:
        screen = simulate.screen(n_perturbations=3, n_contexts=11).screen
        assert screen.context.categories[:2] == ("context01", "context02")
        assert list(screen.context.categories) == sorted(screen.context.categories)

    def test_the_seed_decides_everything(self) -> None:
        first, again, other = (simulate.screen(n_perturbations=5, n_genes=30, seed=s) for s in (1, 1, 2))
        np.testing.assert_array_equal(first.counts, again.counts)
        assert first.screen.perturbations == again.screen.perturbations
        assert not np.array_equal(first.counts, other.counts)

    def test_nothing_else_does(self) -> None:
        first = simulate.screen(n_perturbations=5, n_genes=30)
        np.random.random()  # noqa: NPY002 the global state must not matter
        state = np.random.get_state()[1].copy()  # noqa: NPY002
        second = simulate.screen(n_perturbations=5, n_genes=30)
        np.testing.assert_array_equal(first.counts, second.counts)
        np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


class TestEmbedding:
    def test_perturbed_genes_come_from_it(self) -> None:
        given = embedding([f"TP{i}" for i in range(90)])
        made = simulate.screen(given, n_perturbations=30, n_genes=60)
        assert made.embedding is given
        assert {g for name in made.screen.perturbations for g in name.genes} <= set(given.genes)
        assert len(set(made.screen.genes)) == 60

    def test_genes_that_no_label_can_spell_are_not_perturbed(self) -> None:
        given = embedding([*"ABCD", "A+B", " x", "control", "a b", "9", "<b>", "", "x_y"][:10] + ["ctrl_1"])
        made = simulate.screen(given, n_perturbations=4, n_genes=10)
        assert [str(name) for name in made.screen.perturbations] == ["A", "B", "C", "D"]
        with pytest.raises(EmbeddingError, match="has 4 genes with a plain name, 5 are to be perturbed"):
            simulate.screen(given, n_perturbations=5)

    def test_the_planted_map_can_be_learnt_and_a_shuffled_embedding_cannot(self) -> None:
        """Five-fold ridge from features to the measured Δ, scored on the expected Δ; 1 is the training mean."""
        made = simulate.screen(n_perturbations=120, cells_per_perturbation=60, n_genes=200, seed=1)
        measured, expected = pseudobulk(made.screen).delta, made.true_effects.delta
        x = made.truth.features
        shuffled = x[np.random.default_rng(0).permutation(len(x))]
        scores = {}
        for name, features in (("planted", x), ("shuffled", shuffled)):
            error = base = 0.0
            for fold in range(5):
                test = np.arange(len(x)) % 5 == fold
                mean = measured[~test].mean(axis=0)
                a = features[~test]
                weights = np.linalg.solve(a.T @ a + 0.3 * np.eye(a.shape[1]), a.T @ (measured[~test] - mean))
                error += ((features[test] @ weights + mean - expected[test]) ** 2).sum()
                base += ((mean - expected[test]) ** 2).sum()
            scores[name] = error / base
        assert scores["planted"] < 0.6
        assert scores["shuffled"] > 1.0


class TestTrueEffects:
    def test_a_screen_of_many_cells_comes_close(self) -> None:
        made = simulate.screen(
            n_perturbations=6, n_genes=60, cells_per_perturbation=6000, n_controls=18_000, confounding=0.7, seed=3
        )
        measured, expected = pseudobulk(made.screen), made.true_effects
        assert expected.perturbations == measured.perturbations
        assert expected.genes == measured.genes
        # Standard error of the expectation (1,000 and 3 x 4,000 cells) and of the screen (6,000 and 18,000).
        variance = measured.variance * (1 / 1000 + 1 / 6000) + measured.contexts.control_variance.mean(axis=0) * (
            1 / 4000 + 1 / 6000
        )
        z = (measured.delta - expected.delta) / np.sqrt(variance)
        assert np.sqrt((z**2).mean()) < 1.25
        np.testing.assert_allclose(expected.control_mean, measured.control_mean, atol=0.05)

    def test_is_the_same_every_time(self) -> None:
        first, second = (simulate.screen(n_perturbations=3, n_genes=10).true_effects.delta for _ in range(2))
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_perturbations": 0}, "n_perturbations is 0"),
        ({"n_perturbations": 3, "n_pairs": 4}, "4 pairs were asked for, 3 genes make 3"),
        ({"confounding": 1.5}, "confounding is 1.5"),
        ({"specificity": -0.1}, "specificity is -0.1"),
        ({"effect_scale": float("nan")}, "effect_scale is nan"),
        ({"knockdown": 0.0}, "knockdown is 0.0"),
        ({"dispersion": -1.0}, "dispersion is -1.0"),
        ({"n_contexts": 0}, "n_contexts is 0"),
    ],
)
def test_impossible_settings_are_refused(options, message) -> None:
    with pytest.raises(DataError, match=message):
        simulate.screen(**options)


class TestLarge:
    def test_size_density_and_labels(self, tmp_path: Path) -> None:
        path = tmp_path / "large.h5ad"
        simulate.write_large(path, n_cells=5000, n_genes=300, n_conditions=20, n_contexts=6, density=0.08, seed=1)
        table = ad.read_h5ad(path)
        assert table.shape == (5000, 300)
        assert table.X.nnz / table.X.shape[0] / 300 == pytest.approx(0.08, rel=0.05)
        assert (table.X.data == np.rint(table.X.data)).all()
        assert table.X.data.min() == 1
        assert (table.obs["perturbation"] == "control").mean() == pytest.approx(0.05, abs=0.015)
        assert table.obs["context"].is_monotonic_increasing
        assert list(table.obs["context"].value_counts().sort_index()) == [834, 833, 833, 834, 833, 833]

    def test_can_be_read_as_a_screen(self, tmp_path: Path) -> None:
        path = tmp_path / "large.h5ad"
        simulate.write_large(path, n_cells=3000, n_genes=50, n_conditions=10, n_contexts=3)
        effects = pseudobulk(read_screen(path))
        assert effects.delta.shape == (10, 50)
        assert effects.contexts.names == ("context0", "context1", "context2")

    def test_the_seed_decides_everything(self, tmp_path: Path) -> None:
        tables = []
        for seed in (0, 0, 1):
            simulate.write_large(tmp_path / "s.h5ad", n_cells=400, n_genes=30, n_conditions=4, n_contexts=2, seed=seed)
            tables.append(ad.read_h5ad(tmp_path / "s.h5ad").X.toarray())
        np.testing.assert_array_equal(tables[0], tables[1])
        assert not np.array_equal(tables[0], tables[2])


def test_a_screen_that_is_nowhere_has_the_same_cells_however_they_are_read() -> None:
    screen = simulate.endless_screen(2000, n_genes=60, n_conditions=8, n_contexts=3, density=0.2, seed=3)
    whole = screen.source.read_rows(0, 2000)
    for start, stop in ((0, 1), (500, 1500), (511, 513), (1023, 1024), (1999, 2000), (700, 700)):
        part = screen.source.read_rows(start, stop)
        span = slice(int(whole.indptr[start]), int(whole.indptr[stop]))
        np.testing.assert_array_equal(part.indices, whole.indices[span])
        np.testing.assert_array_equal(part.data, whole.data[span])
        np.testing.assert_array_equal(part.indptr, whole.indptr[start : stop + 1] - whole.indptr[start])
    assert 0.15 < len(whole.data) / (2000 * 60) < 0.25
    effects = pseudobulk(screen)
    assert len(effects.perturbations) == 8
    assert pseudobulk(screen, chunk_rows=100).fingerprint == effects.fingerprint


def test_the_parts_of_a_screen_are_its_cells() -> None:
    screen = simulate.endless_screen(300, n_genes=20, n_conditions=4, n_contexts=2, density=0.3)
    part = screen.part(100, 250)
    assert part.n_cells == 150
    np.testing.assert_array_equal(part.perturbation_codes, screen.perturbation_codes[100:250])
    np.testing.assert_array_equal(part.context.codes, screen.context.codes[100:250])
    np.testing.assert_array_equal(part.source.read_rows(5, 20).data, screen.source.read_rows(105, 120).data)
    for start, stop in ((-1, 3), (5, 301), (4, 3)):
        with pytest.raises(DataError, match="were asked for"):
            screen.part(start, stop)
