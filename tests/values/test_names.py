"""Perturbation names: order-free, refusing what cannot be told apart in text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perturbridge.errors import DataError
from perturbridge.values import CONTROL, PerturbationName, as_names

genes = st.text(st.characters(exclude_characters="+", exclude_categories=("Z", "C")), min_size=1, max_size=8)


@given(st.lists(genes, min_size=1, max_size=4))
def test_text_form_round_trips_in_any_order(parts):
    name = PerturbationName.of(parts)
    assert PerturbationName.parse(str(name)) == name
    assert PerturbationName.of(reversed(parts)) == name
    assert name.genes == tuple(sorted(set(parts)))


def test_control_is_no_gene():
    assert CONTROL.is_control
    assert str(CONTROL) == "control"
    assert not PerturbationName.parse("MYC").is_control
    assert PerturbationName.parse("MYC").is_single
    assert not PerturbationName.parse("MYC+KRAS").is_single


@pytest.mark.parametrize("text", ["", "A+", " +B"])
def test_empty_genes_are_refused(text):
    with pytest.raises(DataError, match="cannot be a gene name"):
        PerturbationName.parse(text)


def test_unsorted_genes_are_refused():
    with pytest.raises(DataError, match="not sorted and unique"):
        PerturbationName(("B", "A"))


def test_a_pair_named_twice_in_two_orders_is_refused():
    with pytest.raises(DataError, match=r"Perturbation A\+B stands more than once \(1 repeats"):
        as_names(["A+B", "C", "B+A"])


def test_control_has_no_effect_of_its_own():
    with pytest.raises(DataError, match="Entry 1 of the perturbations is the control"):
        as_names(["A", CONTROL])
