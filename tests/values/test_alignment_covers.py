"""Which cells an alignment can move, before it is asked to."""

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.values import Alignment


def frame(strata, *, by, contexts=("x", "y"), clusters=None):
    return Alignment(
        perturbations=(),
        contexts=contexts,
        centres=np.zeros((len(contexts), 2)),
        strata=strata,
        strata_by=by,
        cluster_centres=clusters,
        self_maps=(None,) * len(strata),
        displacements=(),
        plans=(),
        reports=(),
        control_weights=np.full(len(strata), 1 / len(strata)),
        context_mass=np.zeros((len(contexts),) * 2),
        fingerprint="f",
    )


Z = np.array([[0.0, 0.0], [5.0, 5.0], [0.0, 1.0]])


def test_what_it_covers_is_what_it_finds_a_stratum_for():
    found = frame((("x", "t"), ("y", "b")), by="state")
    context, state = ["x", "y", "z"], ["t", "t", "b"]
    assert found.covers(Z, context=context, state=state).tolist() == [True, False, False]
    assert found.strata_of(Z[:1], context=["x"], state=["t"]).tolist() == [0]
    with pytest.raises(DataError, match="1 of 1 cells lie in no stratum"):
        found.strata_of(Z[1:2], context=["y"], state=["t"])
    with pytest.raises(DataError, match="context that the alignment does not know"):
        found.strata_of(Z, context=context, state=state)
    with pytest.raises(DataError, match="state of 3 cells is not given"):
        found.covers(Z, context=context)


def test_clusters_within_contexts():
    clusters = np.array([[0.0, 0.0], [5.0, 5.0]])
    found = frame((("x", "0"), ("x", "1"), ("y", "0")), by="clusters", clusters=clusters)
    assert found.covers(Z, context="x").tolist() == [True, True, True]
    assert found.covers(Z, context="y").tolist() == [True, False, True]
    assert found.strata_of(Z, context="x").tolist() == [0, 1, 0]


def test_one_stratum_for_all():
    found = frame((("", ""),), by="none")
    assert found.covers(Z, context=["x", "y", "z"]).tolist() == [True, True, False]
    assert frame((("", ""),), by="none", contexts=("x",)).covers(Z).all()
