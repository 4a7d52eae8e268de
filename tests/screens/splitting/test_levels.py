"""Whole contexts and samples held out."""

from __future__ import annotations

import numpy as np
import pytest
from tests.screens._planted import planted

from perturbridge.errors import DataError
from perturbridge.screens import make_split, pseudobulk, read_screen, read_split, split_screen, write_split
from perturbridge.values import Split


@pytest.fixture(scope="module")
def screen():
    return planted(3, n_contexts=5).screen()


def test_every_context_is_held_out_once_and_no_cell_is_on_both_sides(screen):
    split = make_split(screen, kind="context")
    assert [fold.held_out for fold in split.folds] == [(f"b{i}",) for i in range(5)]
    assert split.by == "batch"
    seen = np.zeros(screen.n_cells, dtype=int)
    for fold in split.folds:
        train, test = split_screen(screen, split, fold)
        in_train, in_test = (side.perturbation_codes != -2 for side in (train, test))
        assert not (in_train & in_test).any()
        level = screen.context.categories.index(fold.held_out[0])
        assert (screen.context.codes[in_test] == level).all()
        assert (screen.context.codes[in_train] != level).all()
        labeled = (screen.perturbation_codes != -2) & (screen.context.codes >= 0)
        np.testing.assert_array_equal(in_train | in_test, labeled)
        assert train.perturbations == fold.train
        assert test.perturbations == fold.test
        seen += in_test
    assert (seen[labeled] == 1).all()


def test_the_two_sides_sum_to_what_their_cells_sum_to_alone():
    data = planted(5, n_contexts=3)
    screen = data.screen()
    split = make_split(screen, kind="context")
    fold = split.folds[1]
    train, test = split_screen(screen, split, fold)
    for side, kept in ((train, data.contexts != 1), (test, data.contexts == 1)):
        alone = planted(5, n_contexts=3)
        codes = np.where(kept, data.codes, -2).astype(np.int32)
        object.__setattr__(alone, "codes", codes)
        got = pseudobulk(side)
        wanted = alone.delta()[[data.names.index(name) for name in got.perturbations]]
        np.testing.assert_allclose(got.delta, wanted, atol=1e-6)


def test_contexts_can_share_folds_and_a_split_survives_its_file(screen, tmp_path):
    split = make_split(screen, kind="context", folds=2, seed=1)
    assert sorted(level for fold in split.folds for level in fold.held_out) == [f"b{i}" for i in range(5)]
    for name in ("s.json", "s.csv"):
        write_split(split, tmp_path / name)
        again = read_split(tmp_path / name)
        assert [(f.train, f.test, f.held_out) for f in again.folds] == [
            (f.train, f.test, f.held_out) for f in split.folds
        ]
        assert again.by == "batch"
    assert read_split(tmp_path / "s.json").hash == split.hash
    with pytest.raises(DataError, match="GEARS cannot say"):
        write_split(split, tmp_path / "s.pkl", fold="fold0")
    write_split(split, tmp_path / "s.toml", fold="fold1", dataset="here")
    state = read_split(tmp_path / "s.toml", perturbations=screen.perturbations)
    assert state.folds[0].held_out == split.folds[1].held_out


def test_what_cannot_be_held_out_is_said(screen, make_adata):
    with pytest.raises(DataError, match="has no sample, so that none can be held out"):
        make_split(screen, kind="sample")
    with pytest.raises(DataError, match="can be held out of a screen, not of tuple"):
        make_split(screen.perturbations, kind="context")
    with pytest.raises(DataError, match=r"5 of 5 levels .* for 6 folds"):
        make_split(screen, kind="context", folds=6)
    lonely = make_adata(["ctrl"] * 24 + ["A", "B"] * 12, obs={"batch": ["b0"] * 36 + ["b1"] * 12})
    with pytest.raises(DataError, match="1 of 2 levels of 'batch' hold controls and perturbed cells"):
        make_split(read_screen(lonely), kind="context")
    split = make_split(screen, kind="context")
    with pytest.raises(DataError, match="no column 'batch' that the split holds out"):
        split_screen(planted(3, n_contexts=5).screen(context=False), split, split.folds[0])
    with pytest.raises(DataError, match="disagree on whether cells are held out"):
        Split(kind="context", seed=0, folds=split.folds)


def test_samples_of_a_real_screen(data_dir):
    screen = read_screen(data_dir / "screens" / "papalexi2021_thp1_eccite.h5ad")
    split = make_split(screen, kind="sample")
    assert len(split.folds) == 3
    train, test = split_screen(screen, split, split.folds[0])
    assert ((train.perturbation_codes != -2).astype(int) + (test.perturbation_codes != -2) == 1).all()
