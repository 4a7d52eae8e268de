"""Pseudo-bulk against dense float64, and its independence of how the cells are read."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from tests.screens._planted import Planted, planted

from perturbridge.errors import DataError
from perturbridge.screens import pseudobulk
from perturbridge.screens.summing._accumulate import accumulate
from perturbridge.screens.summing._finish import finish
from perturbridge.screens.summing._fixed_point import merge
from perturbridge.screens.summing._grouping import group_cells

if TYPE_CHECKING:
    from perturbridge.values import Effects


def bits(effects: Effects) -> tuple:
    table = effects.contexts
    arrays = (
        effects.delta,
        effects.variance,
        effects.detected,
        effects.n_cells,
        effects.control_mean,
        table.n_perturbed,
        table.n_control,
        table.control_mean,
        table.control_variance,
    )
    return (*(a.tobytes() for a in arrays), effects.fingerprint, effects.findings, effects.perturbations)


@pytest.mark.parametrize("kind", ["counts", "log1p"])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_dense_float64(kind: str, seed: int) -> None:
    data = planted(seed, kind=kind)
    if kind == "log1p":
        data = replace(data, values=np.log1p(data.values * 3.7).astype(np.float32))
    effects = pseudobulk(data.screen())
    good, x = data.usable(), data.profiles()
    np.testing.assert_allclose(effects.delta, data.delta(), atol=1e-9, rtol=0)
    np.testing.assert_allclose(effects.variance, data.variance(), atol=1e-9, rtol=0)
    controls = good & (data.codes == -1)
    np.testing.assert_allclose(effects.control_mean, x[controls].mean(axis=0), atol=1e-9, rtol=0)
    detected = [(x[good & (data.codes == p)] != 0).sum(axis=0) for p in range(7)]
    np.testing.assert_array_equal(effects.detected, detected)
    np.testing.assert_array_equal(effects.n_cells, [(good & (data.codes == p)).sum() for p in range(7)])
    table = effects.contexts
    for b in range(4):
        here = controls & (data.contexts == b)
        np.testing.assert_allclose(table.control_mean[b], x[here].mean(axis=0), atol=1e-9, rtol=0)
        np.testing.assert_allclose(table.control_variance[b], x[here].var(axis=0, ddof=1), atol=1e-9, rtol=0)
        assert table.n_control[b] == here.sum()
    means = [x[good & (data.codes == p)].mean(axis=0) for p in range(7)]
    np.testing.assert_allclose(effects.delta + effects.matched_control, means, atol=1e-9, rtol=0)


def test_matching_removes_what_a_confounded_context_adds() -> None:
    """Perturbation 0 does nothing and lies mostly in context 0: only the context-matched Δ says so."""
    data = planted(5, n_cells=6000)
    null = np.where(data.codes == 0, -1, data.codes)
    x = Planted(data.values, null.astype(np.int32), data.contexts)
    rng = np.random.default_rng(0)
    # Take cells of the controls and call them perturbation 0, most of them from context 0.
    controls = np.flatnonzero(null == -1)
    chosen = controls[rng.random(len(controls)) < np.where(data.contexts[controls] == 0, 0.5, 0.05)]
    codes = x.codes.copy()
    codes[chosen] = 0
    relabeled = Planted(data.values, codes, data.contexts)
    matched = pseudobulk(relabeled.screen()).delta[0]
    plain = pseudobulk(relabeled.screen(context=False)).delta[0]
    assert np.linalg.norm(matched) < 0.25 * np.linalg.norm(plain)


@pytest.mark.parametrize("kind", ["counts", "log1p"])
def test_every_chunk_size_gives_the_same_bits(kind: str) -> None:
    # Fractions and large counts take the path beside the table of small counts.
    data = planted(1, n_cells=2300, kind=kind)
    data.values[40::7] *= np.float32(1.1)
    data.values[3, 3], data.values[4, 4] = 255, 256
    screen = data.screen()
    results = {bits(pseudobulk(screen, chunk_rows=rows)) for rows in (1, 7, 1000, 2300, 10**9, None)}
    assert len(results) == 1


def test_every_layout_gives_the_same_bits() -> None:
    data = planted(2)
    assert bits(pseudobulk(data.screen())) == bits(pseudobulk(data.screen(layout=np.asarray)))


@given(cuts=st.lists(st.integers(0, 300), max_size=6), order=st.randoms(use_true_random=False))
def test_ranges_merge_in_any_order_to_the_same_bits(cuts: list[int], order) -> None:
    data = planted(3, n_cells=300)
    screen = data.screen()
    grouping = group_cells(screen, min_cells=2, on_few="raise")
    edges = [0, *sorted(cuts), 300]
    parts = [accumulate(screen, grouping, start=a, stop=b, chunk_rows=50) for a, b in itertools.pairwise(edges)]
    order.shuffle(parts)
    total = parts[0]
    for part in parts[1:]:
        total = merge(total, part)
    assert bits(finish(screen, grouping, total)) == bits(pseudobulk(screen))


def test_sums_of_part_of_a_screen_are_not_effects() -> None:
    screen = planted(3, n_cells=300).screen()
    grouping = group_cells(screen, min_cells=2, on_few="raise")
    with pytest.raises(DataError, match=r"cover the cells \[\(0, 200\)\] of 300"):
        finish(screen, grouping, accumulate(screen, grouping, start=0, stop=200))


def test_order_of_cells_does_not_matter() -> None:
    data = planted(4)
    order = np.random.default_rng(1).permutation(len(data.codes))
    shuffled = Planted(data.values[order], data.codes[order], data.contexts[order])
    first, second = pseudobulk(data.screen()), pseudobulk(shuffled.screen())
    assert first.fingerprint == second.fingerprint
    np.testing.assert_array_equal(first.delta, second.delta)


def test_fingerprint_sees_one_count_one_label_and_one_name() -> None:
    data = planted(6)
    prints = {pseudobulk(data.screen()).fingerprint}
    cell = int(np.flatnonzero(data.usable())[0])
    changed = data.values.copy()
    changed[cell, 0] += 1
    prints.add(pseudobulk(replace(data, values=changed).screen()).fingerprint)
    codes = data.codes.copy()
    codes[cell] = (codes[cell] + 1) % 7
    prints.add(pseudobulk(replace(data, codes=codes).screen()).fingerprint)
    prints.add(pseudobulk(replace(data.screen(), genes=("new", *data.screen().genes[1:]))).fingerprint)
    prints.add(pseudobulk(replace(data, target_sum=1e5).screen()).fingerprint)
    assert len(prints) == 5


def test_golden_value() -> None:
    """Two controls (1, 1) and (3, 1), two perturbed cells (1, 3) and (0, 4), one context, target sum 4.

    Profiles: controls log1p(2, 2) and log1p(3, 1), perturbed log1p(1, 3) and log1p(0, 4).
    """
    data = Planted(
        np.array([[1, 1], [3, 1], [1, 3], [0, 4]], dtype=np.float32),
        np.array([-1, -1, 0, 0], dtype=np.int32),
        np.zeros(4, dtype=np.int32),
        target_sum=4,
    )
    effects = pseudobulk(data.screen())
    log = np.log
    expected = [[log(2) / 2 - (log(3) + log(4)) / 2, (log(4) + log(5)) / 2 - (log(3) + log(2)) / 2]]
    np.testing.assert_allclose(effects.delta, expected, atol=1e-11, rtol=0)
    np.testing.assert_allclose(effects.variance, [[log(2) ** 2 / 2, log(5 / 4) ** 2 / 2]], atol=1e-9, rtol=0)
    assert effects.fingerprint == pseudobulk(data.screen(), chunk_rows=1).fingerprint


class TestFindings:
    def test_counts_that_are_not_whole(self) -> None:
        data = planted(0)
        data.values[[40, 11], 3] = 0.5
        (finding,) = [f for f in pseudobulk(data.screen()).findings if f.code == "non_integral_counts"]
        assert (finding.count, finding.example) == (2, "cell 11")

    def test_large_fractions_count_too(self) -> None:
        data = planted(0)
        data.values[9, 3] = 1000.5
        (finding,) = [f for f in pseudobulk(data.screen()).findings if f.code == "non_integral_counts"]
        assert finding.count == 1

    def test_log1p_values_are_not_expected_to_be_whole(self) -> None:
        data = planted(0, kind="log1p")
        data.values[:] = np.log1p(data.values)
        assert [f.code for f in pseudobulk(data.screen()).findings] == ["unassigned_cells"]

    def test_silent_genes(self) -> None:
        data = planted(0)
        data.values[:, [5, 20]] = 0
        effects = pseudobulk(data.screen())
        (finding,) = [f for f in effects.findings if f.code == "empty_genes"]
        assert (finding.count, finding.example) == (2, "g5")
        assert not effects.delta[:, [5, 20]].any()

    def test_cells_without_counts_are_left_out(self) -> None:
        data = planted(0)
        cells = [int(np.flatnonzero(data.codes == 2)[0]), int(np.flatnonzero(data.codes == -1)[0])]
        data.values[cells] = 0
        effects = pseudobulk(data.screen())
        (finding,) = [f for f in effects.findings if f.code == "empty_cells"]
        assert (finding.count, finding.example) == (2, f"cell {min(cells)}")
        np.testing.assert_allclose(effects.delta, data.delta(), atol=1e-9, rtol=0)
        assert effects.n_cells[2] == data.usable()[data.codes == 2].sum()

    def test_cells_of_contexts_without_controls_are_left_out(self) -> None:
        data = planted(0)
        data.codes[(data.contexts == 1) & (data.codes == -1)] = -2
        lost = ((data.contexts == 1) & (data.codes >= 0)).sum()
        effects = pseudobulk(data.screen())
        (finding,) = [f for f in effects.findings if f.code == "unmatched_context"]
        assert (finding.count, finding.example) == (lost, "b1")
        assert effects.contexts.names == ("b0", "b2", "b3")
        np.testing.assert_allclose(effects.delta, data.delta(), atol=1e-9, rtol=0)

    def test_cells_without_context_are_left_out(self) -> None:
        data = planted(0)
        data.contexts[[2, 30, 31]] = -1
        lost = int((data.codes[[2, 30, 31]] != -2).sum())
        effects = pseudobulk(data.screen())
        (finding,) = [f for f in effects.findings if f.code == "missing_context"]
        assert finding.count == lost > 0
        np.testing.assert_allclose(effects.delta, data.delta(), atol=1e-9, rtol=0)

    def test_another_target_sum_is_said(self) -> None:
        assert not [f for f in pseudobulk(planted(0).screen()).findings if f.code == "target_sum"]
        (finding,) = [f for f in pseudobulk(planted(0, target_sum=4000).screen()).findings if f.code == "target_sum"]
        assert "4,000" in finding.message


class TestFewCells:
    def few(self) -> Planted:
        data = planted(0)
        for perturbation, keep in ((3, 1), (5, 0)):
            cells = np.flatnonzero(data.codes == perturbation)
            data.codes[cells[keep:]] = -2
        return data

    def test_are_refused_by_name(self) -> None:
        with pytest.raises(
            DataError,
            match=r"2 of 7 perturbations have fewer than 2 usable cells, the first is P03 with 1\..*--drop-small",
        ):
            pseudobulk(self.few().screen())

    def test_are_dropped_on_request(self) -> None:
        effects = pseudobulk(self.few().screen(), on_few="drop")
        assert [str(p) for p in effects.perturbations] == ["P00", "P01", "P02", "P04", "P06"]
        (finding,) = [f for f in effects.findings if f.code == "few_cells"]
        assert (finding.count, finding.example) == (2, "P03")
        whole = pseudobulk(planted(0).screen())
        np.testing.assert_array_equal(effects.delta, whole.delta[[0, 1, 2, 4, 6]])

    def test_one_cell_is_enough_if_asked_for_but_has_no_variance_of_its_own(self) -> None:
        data = self.few()
        data.codes[np.flatnonzero(data.codes == -2)[0]] = 5
        effects = pseudobulk(data.screen(), min_cells=1)
        x, good = data.profiles(), data.usable()
        groups = [good & (data.codes == p) for p in range(7)]
        groups += [good & (data.codes == -1) & (data.contexts == b) for b in range(4)]
        spread = sum(((x[g] - x[g].mean(axis=0)) ** 2).sum(axis=0) for g in groups)
        pooled = spread / sum(g.sum() - 1 for g in groups)
        np.testing.assert_allclose(effects.variance[[3, 5]], [pooled, pooled], atol=1e-9, rtol=0)
        assert [f.count for f in effects.findings if f.code == "borrowed_variance"] == [2]

    def test_a_table_of_single_profiles_has_no_variance(self) -> None:
        data = Planted(np.eye(3, dtype=np.float32), np.array([-1, 0, 1], dtype=np.int32), np.zeros(3, dtype=np.int32))
        effects = pseudobulk(data.screen(), min_cells=1)
        assert effects.variance is None
        assert effects.sampling_variance() is None

    def test_empty_cells_do_not_count(self) -> None:
        data = planted(0)
        cells = np.flatnonzero(data.codes == 4)
        data.values[cells[1:]] = 0
        with pytest.raises(DataError, match="the first is P04 with 1"):
            pseudobulk(data.screen())
        effects = pseudobulk(data.screen(), on_few="drop")
        assert "P04" not in [str(p) for p in effects.perturbations]
        np.testing.assert_allclose(effects.delta, data.delta()[[0, 1, 2, 3, 5, 6]], atol=1e-9, rtol=0)

    def test_none_left_is_an_error_even_when_dropping(self) -> None:
        with pytest.raises(DataError, match="7 of 7 perturbations"):
            pseudobulk(planted(0).screen(), min_cells=10_000, on_few="drop")


class TestRefusals:
    def test_no_control(self) -> None:
        data = planted(0)
        data.codes[data.codes == -1] = -2
        with pytest.raises(DataError, match=r"no control cell, among 900 cells .*control="):
            pseudobulk(data.screen())

    def test_controls_without_context(self) -> None:
        data = planted(0)
        data.contexts[data.codes == -1] = -1
        with pytest.raises(DataError, match="control cells, none of them with a context"):
            pseudobulk(data.screen())

    def test_controls_of_a_context_all_empty(self) -> None:
        data = planted(0)
        data.values[(data.codes == -1) & (data.contexts == 2)] = 0
        with pytest.raises(DataError, match="none with a count, the first is 'b2'"):
            pseudobulk(data.screen())

    def test_no_perturbed_cell(self) -> None:
        data = planted(0)
        screen = data.screen()
        with pytest.raises(DataError, match="no perturbed cell"):
            pseudobulk(replace(screen, perturbation_codes=np.minimum(data.codes, -1)))

    def test_no_cell(self) -> None:
        screen = planted(0).screen()
        source = replace(screen.source, matrix=sparse.csr_matrix((0, 30)))
        empty = replace(screen, source=source, perturbation_codes=np.zeros(0), context=None)
        with pytest.raises(DataError, match="no control cell, among 0 cells"):
            pseudobulk(empty)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"min_cells": 0}, "min_cells is 0"),
            ({"on_few": "ignore"}, "on_few is 'ignore'"),
            ({"chunk_rows": 0}, "chunk_rows is 0"),
        ],
    )
    def test_options(self, options, message) -> None:
        with pytest.raises(DataError, match=message):
            pseudobulk(planted(0).screen(), **options)


def test_progress_ends_at_the_number_of_cells() -> None:
    seen: list[tuple[int, int]] = []
    pseudobulk(planted(0).screen(), chunk_rows=250, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(250, 900), (500, 900), (750, 900), (900, 900)]


@pytest.mark.parametrize("name", ["norman2019_k562_crispra", "papalexi2021_thp1_eccite", "adamson2016_mini"])
def test_real_screens_agree_with_dense_float64(name: str, data_dir) -> None:
    from perturbridge.screens import read_screen

    screen = read_screen(data_dir / "screens" / f"{name}.h5ad")
    rows = screen.source.read_rows(0, screen.n_cells)
    values = sparse.csr_matrix((rows.data, rows.indices, rows.indptr), shape=screen.source.shape).toarray()
    context = screen.context.codes if screen.context else np.zeros(screen.n_cells, dtype=np.int32)
    data = Planted(values, screen.perturbation_codes, context, kind=screen.normalization.kind)
    effects = pseudobulk(screen)
    np.testing.assert_allclose(effects.delta, data.delta(), atol=1e-9, rtol=0)
    np.testing.assert_allclose(effects.variance, data.variance(), atol=1e-9, rtol=0)
    assert bits(pseudobulk(screen, chunk_rows=97)) == bits(effects)


def test_empty_genes_of_norman_are_reported(data_dir) -> None:
    from perturbridge.screens import read_screen

    effects = pseudobulk(read_screen(data_dir / "screens" / "norman2019_k562_crispra.h5ad"))
    assert [f.count for f in effects.findings if f.code == "empty_genes"] == [250]
