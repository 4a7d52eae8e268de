"""Asking for penalties by name."""

import numpy as np
import pytest
import torch

from perturbridge.errors import DataError, FitError
from perturbridge.latent import penalties as p

from .conftest import generator

RNG = np.random.default_rng(0)
LABELS = {
    "context": RNG.integers(3, size=300),
    "perturbation": RNG.integers(4, size=300),
    "state": RNG.integers(2, size=300),
}
BLOCKS = {"bio": 4, "context": 2}


def build(*asked, labels=None):
    return p.Penalties(asked, labels=labels or LABELS, training=np.arange(250), widths=BLOCKS, generator=generator())


def some(cells):
    g = generator(1)
    return {name: torch.randn(len(cells), n, generator=g) for name, n in BLOCKS.items()}


def test_the_sum_is_that_of_its_parts_at_their_strengths():
    within = ("perturbation", "state")
    asked = [
        p.Penalty(kind="mmd", block="bio", label="context", within=within, strength=2.0),
        p.Penalty(kind="classifier", block="context", label="context", within=within),
        p.Penalty(kind="cross_covariance", block="bio", label="context", within=within),
    ]
    cells = torch.arange(0, 300, 2)
    blocks = some(cells)
    together = build(*asked)(blocks, cells, 0.5)
    apart = [build(one)(blocks, cells, 0.5) for one in asked]
    assert torch.allclose(together.loss, sum(one.loss for one in apart), atol=1e-6)
    assert list(together.figures) == [
        "mmd(context | bio)",
        "classifier(context | context)",
        "cross_covariance(context | bio)",
    ]


def test_all_but_the_classifier_ramp_up():
    for kind in p.KINDS:
        penalties = build(p.Penalty(kind=kind, block="bio", label="context", within=("state",)))
        for parameter in penalties.parameters():
            parameter.data += 0.1
        sizes = []
        for progress in (0.0, 0.1, 1.0):
            blocks = {name: block.requires_grad_() for name, block in some(range(300)).items()}
            penalties(blocks, torch.arange(300), progress).loss.backward()
            sizes.append(float(blocks["bio"].grad.abs().sum()))
        if kind == "classifier":
            assert sizes[0] == sizes[1] == sizes[2] > 0
        else:
            assert sizes[0] == 0.0 < sizes[1] < sizes[2]


def test_cells_outside_training_do_not_set_the_strata():
    labels = {"context": np.array([0, 1, 0, 1, 2]), "state": np.zeros(5, dtype=int)}
    penalties = p.Penalties(
        [p.Penalty(kind="mmd", block="bio", label="context", within=("state",))],
        labels=labels,
        training=np.arange(4),
        widths=BLOCKS,
        generator=generator(),
    )
    assert penalties.parts[0].counts.tolist() == [[2.0, 2.0, 0.0]]


def test_none_asked_gives_none():
    out = build()(some(range(5)), torch.arange(5), 1.0)
    assert float(out.loss) == 0.0
    assert out.figures == {}


def test_crossed_codes():
    codes = p.cross_codes(np.array([0, 0, 1, -1, 1]), np.array([1, 0, 1, 0, 1]))
    assert codes.tolist() == [1, 0, 2, -1, 2]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"kind": "mine"}, DataError, "'mine'"),
        ({"strength": -1.0}, FitError, "is -1.0"),
        ({"strength": float("nan")}, FitError, "is nan"),
        ({"block": "noise"}, FitError, "asks for block 'noise'"),
        ({"label": "donor"}, FitError, "asks for label 'donor'"),
        ({"within": ("donor",)}, FitError, "asks for label 'donor'"),
        ({"within": ("context",)}, FitError, "cannot be told apart"),
    ],
)
def test_what_cannot_be_asked_is_refused(change, error, message):
    asked = {"kind": "mmd", "block": "bio", "label": "context"} | change
    with pytest.raises(error, match=message):
        build(p.Penalty(**asked))


def test_asked_twice_is_refused():
    one = p.Penalty(kind="mmd", block="bio", label="context")
    with pytest.raises(FitError, match="2 penalties have 1 names"):
        build(one, one)
