"""Asking for a penalty, and what the training loop makes of it."""

import numpy as np
import pytest
import torch

from perturbridge.errors import DataError, FitError
from perturbridge.latent.modules._posterior import Posterior
from perturbridge.latent.penalties import KINDS, STRENGTHS, Design, Separation, penalty_of
from perturbridge.latent.penalties._interface import StepView

from .conftest import generator

RNG = np.random.default_rng(0)
N, N_STATES = 240, 3
DESIGN = Design(
    context=RNG.integers(3, size=N),
    stratum=RNG.integers(4, size=N) * N_STATES + 1 + RNG.integers(2, size=N),
    n_contexts=3,
    n_states=N_STATES,
)


def build(asked, *, n_bio=4, n_context_dims=2, design=DESIGN):
    return asked.build(n_bio=n_bio, n_context_dims=n_context_dims, design=design, source=generator())


def view(share=1.0, *, stratum=DESIGN.stratum, mean=None):
    mean = torch.randn(N, 6, generator=generator(1)) if mean is None else mean
    z = mean + torch.randn(N, 6, generator=generator(2))
    return StepView(
        posterior=Posterior(mean, torch.ones_like(mean)),
        z=z,
        z_bio=z[:, :4],
        z_context=z[:, 4:],
        context=torch.from_numpy(DESIGN.context),
        stratum=torch.from_numpy(stratum),
        share=share,
        source=generator(),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_strength_ramps_up_except_for_the_classifier(kind):
    term = build(Separation(kind=kind, block="bio", within=("state",)))
    for parameter in term.parameters():
        parameter.data += 0.01
    sizes = []
    for share in (0.0, 0.1, 1.0):
        mean = torch.randn(N, 6, generator=generator(1)).requires_grad_()
        out = term(view(share, mean=mean))
        assert list(out) == [f"{kind}_bio_context"]
        out[f"{kind}_bio_context"].backward()
        sizes.append(float(mean.grad[:, :4].abs().sum()))
    if kind == "classifier":
        assert sizes[0] == sizes[1] == sizes[2] > 0
    else:
        assert sizes[0] == 0.0 < sizes[1] < sizes[2]


def test_it_looks_at_its_own_block_and_dimensions():
    for asked, touched in (
        (Separation(kind="mmd"), [0, 1, 2, 3]),
        (Separation(kind="mmd", dims=(1, 3)), [1, 2]),
        (Separation(kind="mmd", block="context"), [4, 5]),
        (Separation(kind="cross_covariance", dims=(0, 1), within=("state",)), [0, 4, 5]),
    ):
        mean = torch.randn(N, 6, generator=generator(1)).requires_grad_()
        next(iter(build(asked)(view(mean=mean)).values())).backward()
        assert torch.nonzero(mean.grad.abs().sum(0))[:, 0].tolist() == touched


def test_labels_and_strata_are_read_off_the_code():
    perturbation, state = DESIGN.stratum // N_STATES, DESIGN.stratum % N_STATES
    for name, codes in (("perturbation", perturbation), ("state", state)):
        labels, _ = DESIGN.tables(name, ())
        assert np.array_equal(labels[DESIGN.stratum], np.unique(codes, return_inverse=True)[1])
    _, strata = DESIGN.tables("context", ("state",))
    assert np.array_equal(strata[DESIGN.stratum], np.unique(state, return_inverse=True)[1])
    _, strata = DESIGN.tables("context", ("perturbation", "state"))
    assert len(np.unique(strata[DESIGN.stratum])) == len(np.unique(DESIGN.stratum)) == strata.max() + 1
    assert np.all(DESIGN.tables("context", ())[1][DESIGN.stratum] == 0)


def test_strata_that_training_did_not_have_say_nothing():
    term = build(Separation(kind="mmd"))
    new = DESIGN.stratum.copy()
    new[:50] = 999
    new[50:60] = 0  # state 0 is "no state", which no training cell has
    whole, some = view(stratum=new), view()
    cut = {name: getattr(some, name)[60:] for name in ("z", "z_bio", "z_context", "context", "stratum")}
    part = StepView(
        **cut,
        posterior=Posterior(some.posterior.mean[60:], some.posterior.variance[60:]),
        share=1.0,
        source=generator(),
    )
    assert torch.allclose(term(whole)["mmd_bio_context"], term(part)["mmd_bio_context"])


def test_a_sample_can_be_asked_for():
    mean, sample = (build(Separation(kind="hsic", on=on))(view())["hsic_bio_context"] for on in ("mean", "sample"))
    assert float(mean) != float(sample)


def test_json_tells_all():
    asked = Separation(kind="mmd", dims=(0, 2), strength=3.0)
    about = asked.as_json()
    assert about.pop("name") == "separation"
    assert penalty_of(about) == asked
    assert penalty_of(asked.as_json()) == penalty_of(asked) == asked


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_is_enough(kind):
    assert penalty_of(kind) == Separation(kind=kind) == Separation(kind=kind, strength=STRENGTHS[kind])
    assert penalty_of(f"{kind} = 2.5") == Separation(kind=kind, strength=2.5)
    assert Separation(kind=kind).block == ("context" if kind == "classifier" else "bio")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"kind": "mine"}, DataError, "'mine'"),
        ({"strength": -1.0}, FitError, "is -1.0"),
        ({"strength": float("nan")}, FitError, "is nan"),
        ({"block": "noise"}, DataError, "'noise'"),
        ({"label": "donor"}, DataError, "'donor'"),
        ({"within": ("donor",)}, DataError, "'donor'"),
        ({"label": "state"}, FitError, "where it does not vary"),
        ({"dims": (2, 9)}, FitError, "dimensions 2 to 9 of 4"),
    ],
)
def test_what_cannot_be_asked_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        build(Separation(**({"kind": "mmd"} | change)))


def test_an_undivided_latent_has_no_context_block():
    for asked in (Separation(kind="classifier", block="context"), Separation(kind="cross_covariance")):
        with pytest.raises(FitError, match="0 for the context"):
            build(asked, n_context_dims=0)


def test_one_context_is_refused():
    alone = Design(context=np.zeros(5, dtype=int), stratum=np.arange(5), n_contexts=1, n_states=1)
    with pytest.raises(FitError, match="has 1 level"):
        build(Separation(kind="mmd"), design=alone)
