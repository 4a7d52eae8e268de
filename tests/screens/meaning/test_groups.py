from __future__ import annotations

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.screens import read_screen

N = 48


def groups(n, *, every=4, names="g"):
    """Return n group labels, each holding every one of the four labels of the screen."""
    return [f"{names}{i // every % n}" for i in range(N)]


@pytest.mark.parametrize("name", ["gem_group", "gemgroup", "GemGroup", "batch", "lane", "plate", "cell_line"])
def test_a_technical_grouping_is_the_context(make_adata, name):
    screen = read_screen(make_adata(obs={name: groups(3)}))
    assert screen.context.column == name
    assert screen.context.categories == ("g0", "g1", "g2")
    assert [screen.context.categories[c] for c in screen.context.codes] == groups(3)
    assert f"Context: {name!r}, known by its name (3 levels)." in screen.explanation


def test_integer_groups_are_groups_and_constants_and_cell_names_are_not(make_adata):
    obs = {"gem_group": [i // 4 % 2 + 1 for i in range(N)], "batch": ["one"] * N, "lane": [f"l{i}" for i in range(N)]}
    assert read_screen(make_adata(obs=obs)).context.categories == ("1", "2")
    assert read_screen(make_adata(obs={"batch": ["one"] * N})).context is None


def test_a_sample_doubles_as_context_where_there_is_nothing_else(make_adata):
    screen = read_screen(make_adata(obs={"bio_rep": groups(3, names="r"), "cell_type": groups(2, names="t")}))
    assert screen.context.column == screen.sample.column == "bio_rep"
    assert screen.state.column == "cell_type"
    assert any("the same as the sample" in line for line in screen.explanation)
    both = read_screen(make_adata(obs={"bio_rep": groups(3), "batch": groups(2)}))
    assert (both.context.column, both.sample.column) == ("batch", "bio_rep")


def test_a_sample_without_controls_is_no_context(make_adata):
    screen = read_screen(make_adata(obs={"sample": [f"s{i % 4}" for i in range(N)]}))
    assert screen.context is None
    assert any("'sample' has no controls for most perturbed cells" in line for line in screen.explanation)


def test_of_nested_groupings_the_finest_with_controls_is_taken(make_adata):
    nested = {"batch": groups(2, every=8), "lane": groups(4, every=4, names="l")}
    screen = read_screen(make_adata(obs=nested))
    assert screen.context.column == "lane"
    assert any("the finest with controls of 'lane', 'batch'" in line for line in screen.explanation)
    # Cells of one lane with perturbed cells alone: the coarser grouping still finds controls for all.
    lane = [f"{g}-{'c' if i % 4 == 0 else 'p'}" for i, g in enumerate(groups(2, every=8))]
    assert read_screen(make_adata(obs={"batch": groups(2, every=8), "lane": lane})).context.column == "batch"


def test_groupings_that_cross_are_left_to_the_user(make_adata):
    obs = {"batch": groups(2, every=4), "cell_line": groups(3, every=8, names="line")}
    with pytest.raises(
        DataError,
        match=r"2 columns could be the context and cross each other: 'cell_line' \(3 levels\), 'batch' \(2 levels\)\. Say context='cell_line', context='batch', context='cell_line,batch'",
    ):
        read_screen(make_adata(obs=obs))
    both = read_screen(make_adata(obs=obs), context="cell_line,batch").context
    assert len(both.categories) == 6
    assert both.column == "cell_line,batch"
    assert "line0 | g0" in both.categories
    assert read_screen(make_adata(obs=obs), context="none").context is None
    assert read_screen(make_adata(obs=obs), context="batch").context.column == "batch"


def test_a_confounded_context_is_refused_with_the_way_out(make_adata):
    adata = make_adata(obs={"batch": ["with controls" if i % 4 == 0 else f"without {i % 4}" for i in range(N)]})
    with pytest.raises(
        DataError,
        match=r"'batch' looks like the context, but 100 % of the perturbed cells lie in levels without a control. Say context='none'",
    ):
        read_screen(adata)
    assert read_screen(adata, context="none").context is None
    assert read_screen(adata, context="batch").context.column == "batch"


def test_columns_as_asked(make_adata):
    adata = make_adata(obs={"a": groups(2), "b": groups(3), "c": groups(2), "none": groups(2)})
    screen = read_screen(adata, context="a", sample="b", state="c")
    assert [g.column for g in (screen.context, screen.sample, screen.state)] == ["a", "b", "c"]
    assert "Context: 'a', as asked (2 levels)." in screen.explanation
    # A column that is really called `none` can be asked for.
    assert read_screen(adata, context="none").context.column == "none"
    for option in ("context", "sample", "state"):
        with pytest.raises(DataError, match=f"no cell column 'absent', which {option}= asks for"):
            read_screen(adata, **{option: "absent"})


def test_cells_without_a_context_are_missing(make_adata):
    labels = groups(2)
    labels[5] = labels[6] = np.nan
    screen = read_screen(make_adata(obs={"batch": labels}))
    assert np.flatnonzero(screen.context.codes < 0).tolist() == [5, 6]


def test_cells_without_a_label_are_not_matched_among_themselves(make_adata):
    labels = [f"g{i // 4 % 2}" if i < 16 else np.nan for i in range(N)]
    with pytest.raises(DataError, match=r"67 % of the perturbed cells lie in levels without a control"):
        read_screen(make_adata(obs={"batch": labels}))
