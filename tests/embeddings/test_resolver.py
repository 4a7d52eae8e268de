"""Laws of the resolver of gene names, over tables drawn at random: it never merges two genes and never splits one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perturbridge.embeddings import as_embedding, read_aliases

SYMBOLS = tuple(f"G{i}" for i in range(6))
NAMES = (*SYMBOLS, *(f"OLD{i}" for i in range(6)), "SEPT1", "MARCH2")
rows = st.lists(
    st.tuples(st.lists(st.sampled_from(NAMES), max_size=3), st.lists(st.sampled_from(NAMES), max_size=3)),
    min_size=len(SYMBOLS),
    max_size=len(SYMBOLS),
)


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    path = tmp_path_factory.mktemp("aliases") / "own.tsv"

    def make(table, order=tuple(range(6))):
        lines = ["symbol\tprevious\talias\tensembl"]
        for i in order:
            old, other = table[i]
            lines.append(f"{SYMBOLS[i]}\t{'|'.join(old)}\t{'|'.join(other)}\tENSG{i:011d}")
        path.write_text("\n".join(lines) + "\n")
        return read_aliases(path)

    return make


asked = (*NAMES, "1-Sep", "Mar-02", "ENSG00000000003.7", "ENSG00000000003", "ENSA", "other")


@given(table=rows, order=st.permutations(range(len(SYMBOLS))))
def test_names_resolve_alike_in_any_order_and_once_for_all(write, table, order):
    aliases, again = write(table), write(table, order)
    for name in asked:
        current, how = aliases.current(name)
        assert again.current(name) == (current, how)
        if current:
            assert aliases.current(current) == (current, "exact")
        else:
            assert how in ("ambiguous", "missing")
    # Current symbols are themselves, whatever another gene was once called.
    assert [aliases.current(symbol)[0] for symbol in SYMBOLS] == list(SYMBOLS)
    assert aliases.current("ENSG00000000003.7")[0] == SYMBOLS[3]


@given(table=rows)
def test_an_old_name_of_two_genes_is_neither(write, table):
    aliases = write(table)
    for name in NAMES:
        meant = {SYMBOLS[i] for i, (old, other) in enumerate(table) if name in (*old, *other)}
        if name in SYMBOLS:
            meant = {name}
        current, how = aliases.current(name)
        assert current == (meant.copy().pop() if len(meant) == 1 else "")
        assert (how == "ambiguous") == (len(meant) > 1)


@given(
    table=rows,
    keys=st.lists(st.sampled_from(NAMES), min_size=1, max_size=8, unique=True),
    order=st.randoms(use_true_random=False),
)
def test_a_vector_is_found_for_the_gene_it_is_of_and_for_no_other(write, table, keys, order):
    aliases = write(table)
    vectors = {key: np.eye(len(NAMES), dtype="f4")[NAMES.index(key)] for key in keys}
    embedding = as_embedding(vectors, name="x", aliases=aliases)
    located = embedding.locate(asked)
    for name, key, how in zip(asked, located.keys, located.how, strict=True):
        if name in keys:
            assert (key, how) == (name, "exact")
        elif key:
            # Never merges: both names are the same gene, for certain.
            assert aliases.current(name)[0] == aliases.current(key)[0] != ""
    # Never splits: every certain name of one gene, unless it is a key of its own, finds the same key.
    for symbol in SYMBOLS:
        found = {
            key
            for name, key in zip(asked, located.keys, strict=True)
            if name not in keys and aliases.current(name)[0] == symbol
        }
        assert len(found) <= 1
    shuffled = list(keys)
    order.shuffle(shuffled)
    again = as_embedding({key: vectors[key] for key in shuffled}, name="x", aliases=aliases)
    mixed = list(asked)
    order.shuffle(mixed)
    for name, key, how in zip(mixed, again.locate(mixed).keys, again.locate(mixed).how, strict=True):
        at = asked.index(name)
        assert how == located.how[at]
        if how not in ("alias", "previous"):
            assert key == located.keys[at]
        elif key != located.keys[at]:
            pytest.fail(f"{name}: {key} or {located.keys[at]}, by the order of the file")


def test_two_old_names_of_one_gene_with_different_vectors_leave_it_without(write):
    table = [(["OLD0", "OLD1"], []), *(([], []) for _ in SYMBOLS[1:])]
    aliases = write(table)
    for keys in (("OLD0", "OLD1"), ("OLD1", "OLD0")):
        apart = as_embedding({key: [1.0, float(key[-1])] for key in keys}, name="x", aliases=aliases)
        assert (apart.locate(["G0"]).keys, apart.locate(["G0"]).how) == (("",), ("ambiguous",))
        alike = as_embedding({key: [1.0, 2.0] for key in keys}, name="x", aliases=aliases)
        assert alike.locate(["G0"]).rows.tolist() == [0]
