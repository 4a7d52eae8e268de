"""Records go to other processes and come back as they were."""

from __future__ import annotations

import pickle

import pytest

from perturbridge._checks import FrozenMapping
from perturbridge.values import DisplacementReport, GeneAliases, Labels, Latent


def test_a_frozen_mapping_is_a_mapping_that_travels_and_cannot_be_changed():
    held = {"b": 1, "a": 2}
    fixed = FrozenMapping(held)
    held["c"] = 3
    assert list(fixed) == ["b", "a"]
    assert pickle.loads(pickle.dumps(fixed)) == fixed == {"b": 1, "a": 2}
    with pytest.raises(TypeError):
        fixed["b"] = 2


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (DisplacementReport(perturbation="A", n_cells=3, composition=FrozenMapping({"s": 0.5})), "composition"),
        (GeneAliases(approved=frozenset({"TP53"}), previous=FrozenMapping({"P53": ("TP53",)})), "previous"),
        (Latent(z=[[1.0], [2.0]], labels={"context": Labels("gem", ("a",), [0, 0])}), "labels"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_records_with_mappings_travel(record, field):
    back = pickle.loads(pickle.dumps(record))
    assert list(getattr(back, field)) == list(getattr(record, field))
    assert getattr(back, field)
