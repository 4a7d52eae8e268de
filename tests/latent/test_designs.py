"""The designs on planted data: what they are to take out, what they are to keep, and that the parts do what their maths says."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from perturbridge.errors import DataError
from perturbridge.latent import (
    DESIGNS,
    Architecture,
    FiLM,
    LatentModel,
    Separation,
    Training,
    latent_design,
    one_hot_genes,
    sample_cells,
)
from perturbridge.latent._noise import generator
from perturbridge.latent.modules._decoder import Decoder
from perturbridge.screens import simulate


def auc(z, labels):
    """Out-of-fold AUC of a logistic regression, one label against the rest."""
    codes = np.unique(labels, return_inverse=True)[1]
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    scores = cross_val_predict(probe, z, codes, cv=4, method="predict_proba")
    return np.mean([roc_auc_score(codes == c, scores[:, c]) for c in range(scores.shape[1])])


@pytest.fixture(scope="module")
def planted():
    return simulate.screen(
        n_perturbations=8,
        n_genes=120,
        cells_per_perturbation=300,
        n_controls=600,
        n_contexts=2,
        n_states=2,
        context_scale=0.4,
        effect_scale=0.4,
        state_scale=0.3,
        seed=6,
    ).screen


@pytest.fixture(scope="module")
def small():
    return simulate.screen(
        n_perturbations=4,
        n_genes=60,
        cells_per_perturbation=150,
        n_controls=200,
        n_contexts=2,
        n_states=2,
        context_scale=0.5,
        effect_scale=0.8,
        state_scale=0.5,
        library_size=2000,
        seed=1,
    )


def fitted(name, screen, *, rows=None, epochs=60, rate=1e-2):
    training = Training(epochs=epochs, precision="fp32", patience=None, learning_rate=rate)
    model = latent_design(name, n_latent=8, training=training)
    return model.fit(screen, rows=rows, embedding=one_hot_genes(screen) if name == "biolord" else None)


def test_with_the_tools_on_the_context_is_gone_and_biology_is_kept(planted):
    """At this rate, being told is not enough: some of the context stays in z of unseen cells."""
    rows, rest = np.arange(1800), np.arange(1800, planted.n_cells)
    found = {}
    for name in ("scvi", "perturbridge"):
        z = fitted(name, planted, rows=rows, epochs=50, rate=4e-3).encode(planted).z[rest]
        groups = {"context": planted.context, "state": planted.state}
        found[name] = {role: auc(z, labels.codes[rest]) for role, labels in groups.items()}
        found[name]["perturbation"] = auc(z, planted.perturbation_codes[rest])
    off, on = found["scvi"], found["perturbridge"]
    assert off["context"] > 0.6
    assert abs(on["context"] - 0.5) < 0.03
    assert on["state"] > off["state"] - 0.02
    assert on["perturbation"] > off["perturbation"] - 0.02


def test_biology_that_goes_with_the_context_is_kept_within_strata_and_erased_without():
    """Nine tenths of the cells of a perturbation in one context, and no context effect at all."""
    screen = simulate.screen(
        n_perturbations=4,
        n_genes=60,
        cells_per_perturbation=300,
        n_controls=4,
        n_contexts=2,
        n_samples=1,
        n_states=1,
        confounding=0.9,
        context_scale=0.0,
        effect_scale=0.5,
        seed=3,
    ).screen
    kept = {}
    for within in (None, ("perturbation",), ()):
        model = LatentModel(
            architecture=Architecture(n_latent=4, n_hidden=32, decode_context=False),
            training=Training(epochs=50, precision="fp32", patience=None),
            penalties=() if within is None else [Separation(kind="mmd", strength=100.0, within=within)],
        )
        rows = np.arange(800)
        z = model.fit(screen, rows=rows).encode(screen).z[800:]
        perturbed = screen.perturbation_codes[800:] >= 0
        kept[within] = auc(z[perturbed], screen.perturbation_codes[800:][perturbed])
    assert kept["perturbation",] > kept[None] - 0.03
    assert kept[()] < kept[None] - 0.05


@pytest.fixture(scope="module")
def model_of(small):
    """Each design fitted once, on first use."""
    done = {}

    def get(name):
        if name not in done:
            done[name] = fitted(name, small.screen, epochs=50)
        return done[name]

    return get


@pytest.fixture(params=sorted(DESIGNS))
def one(request, model_of):
    return model_of(request.param)


def test_every_design_keeps_the_state_and_leaks_less_than_nothing_done(one, small):
    z = one.encode(small.screen).z
    assert z.shape == (small.screen.n_cells, 8)
    assert auc(z, small.screen.state.codes) > 0.9
    assert auc(z, small.screen.context.codes) < 0.8


def test_every_design_embeds_cells_it_has_not_seen(one, small):
    other = simulate.screen(
        n_perturbations=4, n_genes=60, cells_per_perturbation=20, n_controls=10, n_contexts=2, n_states=2, seed=1
    ).screen
    shared = one.fitted_.genes == other.genes
    latent = one.encode(other)
    assert shared
    assert np.isfinite(latent.z).all()
    assert latent.n_cells == other.n_cells


def test_every_design_is_kept_in_files(one, small, tmp_path):
    one.save(tmp_path / "model")
    again = LatentModel.load(tmp_path / "model")
    assert np.array_equal(again.encode(small.screen).z, one.encode(small.screen).z)


def test_context_columns_of_scidrl_hold_the_context(small, model_of):
    model = model_of("scidrl")
    cells = model.open(small.screen)
    z = np.concatenate([model.fitted_.module.encode(b).mean.detach().numpy() for b in cells.batches()])
    assert auc(z[:, 8:], small.screen.context.codes) > 0.9
    assert auc(z[:, :8], small.screen.context.codes) < auc(z[:, 8:], small.screen.context.codes) - 0.2


def test_own_columns_of_scdisinfact_hold_the_perturbation(small, model_of):
    z = model_of("scdisinfact").encode(small.screen).z
    codes = small.screen.perturbation_codes
    assert auc(z[:, 6:], codes) > auc(z[:, :6], codes) + 0.1


def test_rates_of_an_additive_decoder_are_a_sum_over_dimensions():
    architecture = Architecture(n_latent=3, n_hidden=8, decoder="additive", norm="layer")
    decoder = Decoder(5, 2, architecture=architecture, injection=None, source=generator(0))
    z, context = torch.randn(4, 3, generator=generator(1)), torch.tensor([0, 1, 0, 1])
    alone = [decoder._decode(z * torch.eye(3)[d], context, None, low=False).logits for d in range(3)]
    assert torch.allclose(decoder(z, context).logits.exp(), sum(part.exp() for part in alone), rtol=1e-5)


def test_a_fixed_posterior_and_a_decoder_that_is_not_told():
    architecture = Architecture(posterior_sd=0.1, decode_context=False, n_hidden=8)
    decoder = Decoder(5, 2, architecture=architecture, injection=None, source=generator(0)).eval()
    z = torch.randn(4, 10, generator=generator(1))
    one, two = (decoder(z, torch.full((4,), c)).logits for c in (0, 1))
    assert torch.equal(one, two)
    screen = simulate.screen(n_perturbations=2, n_genes=20, cells_per_perturbation=20, n_controls=20).screen
    model = LatentModel(architecture=architecture, training=Training(epochs=1)).fit(screen)
    posterior = model.fitted_.module.encode(next(model.open(screen).batches()))
    assert torch.allclose(posterior.variance, torch.tensor(0.01))


def test_the_same_cells_in_the_other_context_move_as_the_context_does(small, model_of):
    model = model_of("perturbridge")
    first, second = (
        np.log(model.normalized(small.screen, context=c)).mean(axis=0) for c in small.screen.context.categories
    )
    truth = small.truth.context_effects[1] - small.truth.context_effects[0]
    assert np.corrcoef(second - first, truth)[0, 1] > 0.9


@pytest.mark.parametrize("injection", ["film", "biolord"])
def test_controls_under_a_perturbation_move_as_it_does(small, model_of, injection):
    screen = small.screen
    if injection == "biolord":
        model = model_of("biolord")
    else:
        training = Training(epochs=50, precision="fp32", patience=None)
        model = LatentModel(architecture=Architecture(n_latent=8), training=training, injection=FiLM())
        model.fit(screen, embedding=one_hot_genes(screen))
    controls = screen.perturbation_codes == -1
    base = np.log(model.normalized(screen, perturbation="control"))[controls].mean(axis=0)
    found = []
    for i, name in enumerate(screen.perturbations):
        moved = np.log(model.normalized(screen, perturbation=str(name)))[controls].mean(axis=0) - base
        found.append(np.corrcoef(moved, small.truth.log_effects[i])[0, 1])
    assert np.mean(found) > 0.6


def test_samples_keep_the_factor_that_is_fixed(small, model_of):
    """New cells like those of one state, in one context: the nearest mean profile is that of both."""
    screen, counts = small.screen, small.counts
    model = model_of("perturbridge")
    z = model.encode(screen).z
    shares = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    state, context = screen.state.codes, screen.context.codes
    means = {(s, c): shares[(state == s) & (context == c)].mean(axis=0) for s in (0, 1) for c in (0, 1)}
    for s, c in means:
        drawn = sample_cells(
            model, 200, like=z[state == s], context=screen.context.categories[c], library_size=2000, seed=1
        )
        profile = np.log1p(1e4 * drawn / drawn.sum(axis=1, keepdims=True)).mean(axis=0)
        assert min(means, key=lambda k: np.linalg.norm(means[k] - profile)) == (s, c)


def test_an_unknown_design_is_refused():
    with pytest.raises(DataError, match="'vae2'"):
        latent_design("vae2")
