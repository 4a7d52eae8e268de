"""`LatentModel` from outside: what it may see, what it refuses, and that what it says is right on planted truth."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from perturbridge._model_folder import write_pair
from perturbridge.errors import DataError, FitError, PerturbridgeError
from perturbridge.latent import (
    Architecture,
    AutoencoderModel,
    LatentModel,
    PcaModel,
    Training,
    differential_expression,
    sample_cells,
    sample_posterior,
)
from perturbridge.screens import make_split, simulate
from perturbridge.values import Labels

from .conftest import GOOD, QUICK, SMALL, screen_of

LAWS = [
    {},
    {"likelihood": "zinb"},
    {"likelihood": "gaussian"},
    {"library": "latent", "dispersion": "gene-context"},
    {"dispersion": "gene-cell", "likelihood": "zinb", "n_layers": 3},
    {"likelihood": "gaussian", "dispersion": "gene-context", "norm": "layer", "context_as": "embedding"},
    {"likelihood": "gaussian", "dispersion": "gene-cell", "norm": "none", "encode_context": True},
    {"n_latent_context": 2, "dropout": 0.0, "n_layers": 2, "encode_context": True, "context_as": "embedding"},
]


@pytest.mark.parametrize("changes", LAWS, ids=lambda c: "-".join(str(v) for v in c.values()) or "default")
def test_every_architecture_learns_encodes_decodes_and_is_stored(screen, tmp_path, changes):
    architecture = replace(SMALL, **changes)
    model = LatentModel(architecture=architecture, training=replace(QUICK, epochs=4)).fit(screen)
    bounds = [record["held_out_elbo"] for record in model.history_]
    assert bounds[-1] > bounds[0]
    latent = model.encode(screen)
    assert latent.z.shape == (screen.n_cells, 4)
    assert latent.trained.all()
    expression = model.normalized(screen, context="context2")
    assert expression.shape == (screen.n_cells, screen.n_genes)
    assert np.isfinite(expression).all()
    drawn = sample_cells(model, 5, context="context1", seed=2)
    assert drawn.shape == (5, screen.n_genes)
    model.save(tmp_path)
    loaded = LatentModel.load(tmp_path, device="cpu")
    assert np.array_equal(loaded.encode(screen).z, latent.z)
    assert loaded.encode(screen).fingerprint == latent.fingerprint
    assert np.array_equal(loaded.normalized(screen, context="context2"), expression)
    assert loaded.architecture == architecture
    assert all(np.isfinite(loaded.elbo(screen)))


def test_counts_of_every_likelihood_are_modelled_about_equally_well(screen):
    # ZINB holds NB as a special case; a latent library costs its KL: none of them may be far off.
    bounds = {}
    for changes in ({}, {"likelihood": "zinb"}, {"library": "latent"}):
        model = LatentModel(architecture=replace(SMALL, **changes), training=GOOD).fit(screen)
        bounds[str(changes)] = model.history_[-1]["held_out_elbo"]
    assert max(bounds.values()) - min(bounds.values()) < 12, bounds


def test_test_perturbations_are_never_looked_at(screen, counts):
    split = make_split(screen.perturbations, folds=3, seed=0)
    fold = split.folds[0]
    test = np.isin(screen.perturbation_codes, [screen.perturbations.index(p) for p in fold.test])
    spoiled = counts.copy()
    spoiled[test] = 99
    models = [
        LatentModel(architecture=SMALL, training=QUICK).fit(screen_of(c, like=screen), split=split, fold=fold.name)
        for c in (counts, spoiled)
    ]
    for a, b in zip(*(m.fitted_.module.state_dict().values() for m in models), strict=True):
        assert torch.equal(a, b)
    latent = models[0].encode(screen_of(counts, like=screen))
    assert latent.split_hash == split.hash
    assert np.array_equal(latent.trained, ~test)
    assert latent.steps[0].rows == "train"
    assert latent.steps[0].n_cells == (~test).sum()
    with pytest.raises(FitError, match="are no training cells of the split"):
        LatentModel().fit(screen, split=split, fold=fold.name, rows=test)
    with pytest.raises(DataError, match="Name one of fold0"):
        LatentModel().fit(screen, split=split)


def test_rows_restrict_the_fit(screen):
    rows = screen.sample.codes == 0
    latent = LatentModel(architecture=SMALL, training=replace(QUICK, epochs=1)).fit(screen, rows=rows).encode(screen)
    assert np.array_equal(latent.trained, rows)
    with pytest.raises(DataError, match="mask of shape"):
        LatentModel().fit(screen, rows=rows[:5])
    with pytest.raises(FitError, match="1 cells are left to learn from"):
        LatentModel().fit(screen, rows=[3])


def test_genes_are_matched_by_name(model, screen, counts):
    plain = model.encode(screen)
    order = np.random.default_rng(0).permutation(screen.n_genes)
    names = [screen.genes[i] for i in order]
    extra = np.concatenate([counts[:, order], np.full((len(counts), 1), 7)], axis=1)
    shuffled = model.encode(screen_of(extra, genes=[*names, "unheard-of"], like=screen))
    np.testing.assert_allclose(shuffled.z, plain.z, atol=1e-5)
    assert [f.code for f in shuffled.findings] == ["unused_genes"]
    few = model.encode(screen_of(counts[:, 3:], genes=screen.genes[3:], like=screen))
    assert [(f.code, f.count, f.example) for f in few.findings] == [("missing_genes", 3, screen.genes[0])]
    with pytest.raises(FitError, match=r"10 of the 50 genes .* not in this screen, the first is"):
        model.encode(screen_of(counts[:, 10:], genes=screen.genes[10:], like=screen))


def test_an_unseen_context_names_surgery(model, screen, counts):
    fresh = Labels("context", ("context9",), np.zeros(20, dtype=np.int32))
    other = screen_of(counts[:20], genes=screen.genes, like=screen, rows=slice(20), context=fresh)
    with pytest.raises(FitError, match=r"20 of 20 cells .* the first is 'context9'.*surgery"):
        model.encode(other)
    np.testing.assert_allclose(model.encode(other, unseen="encode").z, model.encode(screen).z[:20], atol=1e-5)
    with pytest.raises(DataError, match="has no grouping called 'lane'"):
        LatentModel("lane").fit(screen)
    with pytest.raises(FitError, match="Context 'x' is not among the 3"):
        model.decode(np.zeros((1, 4)), context="x")


def test_one_cell_one_gene_and_empty_cells(model, screen, counts):
    one = model.encode(screen_of(counts[:1], genes=screen.genes, like=screen, rows=slice(1)))
    np.testing.assert_allclose(one.z[0], model.encode(screen).z[0], atol=1e-5)
    empty = counts.copy()
    empty[:4] = 0
    with_empty = LatentModel(architecture=SMALL, training=QUICK).fit(screen_of(empty, like=screen))
    assert [(f.code, f.count) for f in with_empty.fitted_.findings] == [("empty_cells", 4)]
    assert np.isfinite(with_empty.encode(screen_of(empty, like=screen)).z).all()
    assert np.isfinite(with_empty.elbo(screen_of(empty, like=screen))).all()
    single = screen_of(counts[:, :1], like=screen)
    gene = LatentModel(architecture=SMALL, training=replace(QUICK, epochs=2)).fit(single)
    assert np.isfinite(gene.encode(single).z).all()


def test_counts_are_asked_for_by_count_likelihoods(screen, counts):
    logged = screen_of(np.log1p(counts), like=screen, kind="log1p")
    with pytest.raises(FitError, match="'nb' needs counts"):
        LatentModel().fit(logged)
    gaussian = LatentModel(architecture=replace(SMALL, likelihood="gaussian"), training=QUICK).fit(logged)
    assert np.isfinite(gaussian.encode(logged).z).all()
    with pytest.raises(FitError, match="fitted on log1p values, this screen holds counts"):
        gaussian.encode(screen)
    half = counts + 0.5 * (counts > 0)
    fractional = LatentModel(architecture=SMALL, training=replace(QUICK, epochs=1)).fit(screen_of(half, like=screen))
    assert [(f.code, f.count) for f in fractional.fitted_.findings] == [("fractional_counts", len(counts))]


def auc(z, codes):
    classes = int(codes.max()) + 1
    scoring = "roc_auc" if classes == 2 else "roc_auc_ovr"
    return cross_val_score(LogisticRegression(max_iter=500), z, codes, cv=3, scoring=scoring).mean()


def test_telling_the_decoder_the_context_takes_most_of_it_out_of_z_and_keeps_the_state():
    screen = simulate.screen(
        n_perturbations=6,
        n_genes=50,
        cells_per_perturbation=200,
        n_controls=400,
        n_contexts=2,
        n_states=2,
        context_scale=1.0,
        state_scale=1.0,
        library_size=300,
        seed=3,
    ).screen
    training = replace(GOOD, epochs=35)
    told, untold = (
        LatentModel(c, architecture=SMALL, training=training).fit(screen).encode(screen).z for c in ("context", None)
    )
    assert auc(untold, screen.context.codes) > 0.9
    # An encoder that is not told the context keeps a little of it; penalties are there for the rest.
    assert auc(told, screen.context.codes) - 0.5 < 0.4 * (auc(untold, screen.context.codes) - 0.5)
    assert auc(told, screen.state.codes) > 0.9


def test_decoding_in_another_context_moves_expression_as_the_contexts_differ(trained, screen, counts):
    model = trained
    shift = np.log(model.normalized(screen, context="context2")).mean(axis=0) - np.log(
        model.normalized(screen, context="context1")
    ).mean(axis=0)
    mean = [np.log(counts[screen.context.codes == c].mean(axis=0) + 0.1) for c in (0, 1)]
    assert np.corrcoef(shift, mean[1] - mean[0])[0, 1] > 0.9


def test_surgery_learns_new_contexts_and_leaves_the_old_alone(screen, counts):
    old = screen.context.codes < 2
    model = LatentModel(architecture=replace(SMALL, dispersion="gene-context"), training=GOOD).fit(screen, rows=old)
    grown = model.surgery(screen, training=GOOD)
    assert grown.fitted_.contexts == ("context1", "context2", "context3")
    assert grown.fitted_.n_reference == 2
    z = model.encode(screen, unseen="encode").z
    assert np.array_equal(grown.encode(screen).z, z)
    for context in ("context1", "context2"):
        assert np.array_equal(grown.decode(z, context=context), model.decode(z, context=context))
    blunt = model.surgery(screen, training=replace(QUICK, epochs=1, learning_rate=1e-12))
    assert grown.elbo(screen)[~old].mean() > blunt.elbo(screen)[~old].mean() + 1
    with pytest.raises(FitError, match="0 cells of this screen are in a context"):
        model.surgery(screen_of(counts[old], like=screen, rows=old, genes=screen.genes))
    with pytest.raises(FitError, match="fitted without contexts"):
        LatentModel(None, architecture=SMALL, training=replace(QUICK, epochs=1)).fit(screen).surgery(screen)


def test_labels_known_for_half_of_the_cells_are_found_in_the_others(screen, counts):
    codes = screen.state.codes.copy()
    hidden = np.random.default_rng(1).random(len(codes)) < 0.5
    codes[hidden] = -1
    partly = replace(screen, state=Labels("state", screen.state.categories, codes))
    model = LatentModel(architecture=SMALL, training=GOOD, labels="state").fit(partly)
    names, shares = model.predict_labels(partly)
    assert names == screen.state.categories
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert (shares.argmax(axis=1) == screen.state.codes)[hidden].mean() > 0.9
    drawn = sample_cells(model, 400, context="context1", label=names[1], library_size=300, seed=1)
    here = screen.context.codes == 0
    real = [np.log(counts[here & (screen.state.codes == k)].mean(axis=0) + 0.1) for k in (0, 1)]
    assert np.corrcoef(np.log(drawn.mean(axis=0) + 0.1) - real[0], real[1] - real[0])[0, 1] > 0.8
    with pytest.raises(FitError, match="Label 'x' is not among"):
        sample_cells(model, 1, context="context1", label="x")
    with pytest.raises(FitError, match="fitted without labels"):
        LatentModel(architecture=SMALL, training=replace(QUICK, epochs=1)).fit(screen).predict_labels(screen)


def test_differential_expression_finds_what_differs(trained, screen, counts):
    model = trained
    first, second = screen.state.codes == 1, screen.state.codes == 0
    found = differential_expression(model, screen, first=first, second=second)
    raw = np.log2((counts[first].mean(axis=0) + 0.05) / (counts[second].mean(axis=0) + 0.05))
    assert np.corrcoef(found.lfc, raw)[0, 1] > 0.95
    assert found.significant[np.abs(raw) > 1].mean() > 0.6
    assert (found.lfc_low <= found.lfc).all()
    assert (1 - found.probability)[found.significant].mean() <= 0.05
    half = np.random.default_rng(0).random(len(first)) < 0.5
    nothing = differential_expression(model, screen, first=half, second=~half, delta=1.0)
    assert nothing.significant.sum() <= 0.1 * screen.n_genes


def test_drawn_cells_resemble_the_real_ones(trained, screen, counts):
    model = trained
    like = sample_posterior(model, screen, n_samples=2)
    assert like.shape == (2, screen.n_cells, 4)
    here = screen.context.codes == 0
    drawn = sample_cells(
        model, 500, like=like[0][here], context="context1", library_size=counts[here].sum(axis=1).mean()
    )
    assert np.array_equal(drawn, np.round(drawn))
    assert np.corrcoef(np.log(drawn.mean(axis=0) + 0.1), np.log(counts[here].mean(axis=0) + 0.1))[0, 1] > 0.95
    assert (drawn == 0).mean() == pytest.approx((counts[here] == 0).mean(), abs=0.05)


@pytest.mark.parametrize(("n_hidden", "epochs", "still_moves"), [(64, 30, False), (256, 12, True)])
def test_collapse_is_named_and_free_bits_cure_it(screen, n_hidden, epochs, still_moves):
    """β = 10 and three wide layers; in the wider net the means still vary, and z tells nothing all the same."""
    architecture = replace(SMALL, n_layers=3, n_hidden=n_hidden)
    crushed = {"beta": 10.0, "epochs": epochs, "warmup": 0.0}
    dead, alive = (
        LatentModel(architecture=architecture, training=replace(QUICK, **crushed, free_bits=bits))
        .fit(screen)
        .diagnose(screen)
        for bits in (0.0, 0.5)
    )
    assert [finding.code for finding in dead.findings] == ["posterior_collapse"]
    assert "free_bits" in dead.findings[0].message
    assert (dead.n_active > 2) is still_moves
    assert dead.mutual_information < 0.1
    assert alive.findings == ()
    assert alive.n_active == 4
    assert alive.mutual_information > 0.5
    json.dumps(alive.as_json(), allow_nan=False)


def test_a_fit_that_is_well_says_so(screen):
    # Dispersions start wide and narrow slowly: of four seeds, 100 epochs leave .03 too many zeros and 300 less than .01.
    long = replace(GOOD, epochs=300, patience=300)
    diagnosis = LatentModel(architecture=SMALL, training=long).fit(screen).diagnose(screen)
    assert all(finding.level == "info" for finding in diagnosis.findings)
    assert diagnosis.elbo == pytest.approx(diagnosis.log_likelihood - diagnosis.kl, rel=1e-5)
    assert diagnosis.mean_correlation > 0.95
    assert diagnosis.zero_correlation > 0.95
    assert diagnosis.zeros_drawn == pytest.approx(diagnosis.zeros_real, abs=0.02)


def as_version_1(folder, text, tensors):
    """Write a model as version 1 did: no labels or penalties, and a constant before each batch norm."""
    for name in [name for name in tensors if name.endswith(".batch.running_mean")]:
        constant = torch.linspace(-0.5, 0.5, len(tensors[name]))
        tensors[name.replace(".norm.", ".linear.").replace(".batch.running_mean", ".bias")] = constant
        tensors[name] = tensors[name] + constant
    about = {k: v for k, v in text.items() if k not in ("labels", "label_column", "penalties", "arrays_sha256")}
    write_pair(folder, about | {"version": 1}, save(tensors))


def test_files_that_are_broken_old_or_new(model, screen, tmp_path):
    model.save(tmp_path)
    text = json.loads((tmp_path / "model.json").read_text())
    as_version_1(tmp_path / "old", text, load_file(tmp_path / "model.safetensors"))
    old = LatentModel.load(tmp_path / "old", device="cpu").encode(screen)
    np.testing.assert_allclose(old.z, model.encode(screen).z, atol=1e-5)
    for change, message in (
        ({"version": 99}, "is of version 99, this program reads versions 1 to 4"),
        ({"version": [1]}, r"is of version \[1\], this program reads"),
        ({"arrays_sha256": "0"}, "its SHA-256 differs"),
        ({"format": "x"}, "is not a latent model"),
        ({"genes": text["genes"][1:]}, "is no whole latent model"),
    ):
        (tmp_path / "model.json").write_text(json.dumps(text | change))
        with pytest.raises(PerturbridgeError, match=message):
            LatentModel.load(tmp_path)
    with pytest.raises(FitError, match="cannot be read"):
        LatentModel.load(tmp_path / "nowhere")
    with pytest.raises(FitError, match="is not fitted"):
        LatentModel().encode(screen)


def test_principal_components_are_those_of_an_exact_decomposition(screen, counts):
    latent = PcaModel(5).fit(screen).encode(screen)
    y = np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 1e4)
    u, s, _ = np.linalg.svd(y - y.mean(axis=0), full_matrices=False)
    exact = u[:, :5] * s[:5]
    np.testing.assert_allclose(np.abs(latent.z), np.abs(exact), atol=1e-2)
    split = make_split(screen.perturbations, folds=3, seed=0)
    part = PcaModel(5).fit(screen, split=split, fold="fold0").encode(screen)
    assert part.split_hash == split.hash
    assert not part.trained.all()
    with pytest.raises(FitError, match="50 components were asked"):
        PcaModel(50).fit(screen)
    with pytest.raises(FitError, match="not fitted"):
        PcaModel().encode(screen)


def test_the_plain_autoencoder_learns_and_is_seeded(screen):
    a, b = (AutoencoderModel((32, 8, 4), epochs=30, seed=1).fit(screen) for _ in range(2))
    assert a.losses_[-1] < 0.9 * a.losses_[0]
    assert np.array_equal(a.encode(screen).z, b.encode(screen).z)
    assert a.encode(screen).z.shape == (screen.n_cells, 4)


def test_training_settings_do_not_change_what_is_loaded(screen):
    assert Training().epochs_for(100) == 400
    assert Training().epochs_for(10_000) == 20
    assert Training().epochs_for(10**6) == 10
    assert Architecture().as_json()["n_latent"] == 10
