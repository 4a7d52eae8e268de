"""The base: what it recovers, and that a row is never told its own answer."""

from dataclasses import replace

import numpy as np
import pytest
from tests.response._world import labels

from perturbridge.errors import DataError, EmbeddingError, FitError, LeakageError
from perturbridge.response import ResponseModel
from perturbridge.response._ridge import fit_ridge
from perturbridge.values import EmbeddingCard, GeneEmbedding, PerturbationName


def parts_of(n, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(n, k)) for k in (3, 4, 5))


def test_unseen_perturbations_are_recovered_cell_by_cell(scene, base):
    assert scene.error(base, scene.world.unseen) < 0.35


def test_without_noise_in_the_embedding_little_is_lost(scene_of, small):
    scene = scene_of(noise=0.0, null=0.0, n_train=60)
    model = ResponseModel(scene.world.embedding, injection=None, settings=small).fit(
        scene.alignment, scene.world.latent
    )
    assert scene.error(model, scene.world.unseen) < 0.25


def test_it_beats_a_mean_shift_by_the_part_that_differs_between_cells(base):
    ladder = base.ladder_
    order = [ladder.rung(name).error for name in ("ridge, cells", "ridge, mean", "mean shift")]
    assert order == sorted(order)
    assert order[0] < 0.8 * order[1]
    assert ladder.rung("ridge, cells").heterogeneity > 0.7
    assert ladder.rung("ridge, cells").energy < ladder.rung("ridge, mean").energy < 1.0
    assert ladder.rung("zero").error == 1.0


def test_an_embedding_that_knows_nothing_leaves_the_mean_effect(scene, small):
    source = scene.world.embedding
    shuffled = replace(source, vectors=source.vectors[np.random.default_rng(1).permutation(len(source.vectors))])
    model = ResponseModel(shuffled, injection=None, settings=small).fit(scene.alignment, scene.world.latent)
    rungs = model.ladder_
    assert rungs.rung("ridge, cells").error < rungs.rung("mean shift").error + 3 * rungs.rung("mean shift").error_se
    assert max(model.report_["parts"][part]["certainty"] for part in ("mean", "stratum", "cell")) < 0.8


@pytest.mark.parametrize("n_pairs", [0, 12])
def test_left_out_weights_are_those_of_a_refit_without_every_row_of_the_genes(scene_of, small, n_pairs):
    scene = scene_of(n_train=14, n_pairs=n_pairs)
    names = scene.world.train
    # Some genes are then known from combinations alone.
    names = names[:3] + names[5:]
    n = len(names)
    weights = np.random.default_rng(2).uniform(0.5, 2.0, size=n)
    ridge, _ = fit_ridge(names, parts_of(n), [scene.world.embedding], weights=weights, settings=small)
    found = ridge.left_out_weights()
    assert (found[:, np.arange(n), np.arange(n)] == 0).all() or np.allclose(found[:, np.arange(n), np.arange(n)], 0)
    for i, name in enumerate(names):
        rest = np.setdiff1d(np.arange(n), ridge.design.relatives[i])
        wanted = _refit(ridge, names, rest, weights=weights, name=name)
        assert np.allclose(found[:, i], wanted, atol=1e-8), name


def _refit(ridge, names, rest, *, weights, name):
    """Sum over genes of the row weights of a fit on the other rows alone, at the same penalties and features."""
    features, each = ridge.features, ridge.design.n_genes_each
    unit = np.trace(_projected(features @ features.T, ridge.weights, each)) / len(names)
    out = np.zeros((3, len(names)))
    w, v = ridge.weights[rest], each[rest]
    mean = w * v / (w * v**2).sum()
    for gene in name.genes:
        if not name.is_single and gene in ridge.design.singles:
            out[:, ridge.design.singles[gene]] += 1
            continue
        x = ridge.space.features([gene])[0]
        for part in range(3):
            # Primal: minimize Σ w (y − v b − X c)² + α‖c‖², with y a unit vector for each row.
            design = np.concatenate([features[rest], v[:, None]], axis=1)
            penalty = ridge.alphas[part] * unit * np.diag([*np.ones(features.shape[1]), 0.0])
            solved = np.linalg.solve((design.T * w) @ design + penalty, design.T * w)
            found = np.append(x, 1.0) @ solved
            out[part, rest] += mean + ridge.certainty[part] * (found - mean)
    return out


def _projected(kernel, weights, multiplier):
    root = np.sqrt(weights)
    u = root * multiplier / np.linalg.norm(root * multiplier)
    p = np.eye(len(u)) - np.outer(u, u)
    return p @ (kernel * np.outer(root, root)) @ p


def test_a_gene_without_a_vector_moves_as_the_mean_effect(scene, base):
    moved = base.displacement(
        "unheard-of", *scene.controls()[:1], context=scene.controls()[1], state=scene.controls()[2]
    )
    fitted = base.fitted_
    average = np.einsum("i,ikd->kd", fitted.ridge.mean, fitted.displacements.astype(float))
    z, context, state, *_ = scene.controls()
    x = fitted.frame.centred(z, context)
    strata = fitted.frame.strata_of(x, context=context, state=state)
    assert np.allclose(moved, fitted.prototypes.weights(x, strata) @ average, atol=1e-5)


def test_statuses(base):
    names = [PerturbationName.parse(t) for t in ("G001", "unheard-of", "unheard-of+G045", "unheard-of+G001")]
    status, detail = base.fitted_.statuses(names)
    assert status == ("predicted", "no_embedding", "partial_embedding", "partial_embedding")
    assert "unheard-of has no vector in planted" in detail[1]


def test_a_gene_far_from_all_others_is_out_of_support(scene, small):
    source = scene.world.embedding
    vectors = np.concatenate([source.vectors, -50 * np.ones((1, source.n_dims), dtype=np.float32)])
    far = GeneEmbedding(
        vectors=vectors,
        genes=(*source.genes, "FAR"),
        rows=np.arange(len(vectors)),
        card=EmbeddingCard(name="planted"),
    )
    model = ResponseModel(far, injection=None, settings=small).fit(scene.alignment, scene.world.latent)
    assert model.fitted_.statuses([PerturbationName(("FAR",))])[0] == ("out_of_support",)


def test_a_combination_is_the_sum_of_what_was_measured_of_its_genes(scene, base):
    genes = [str(name) for name in scene.world.train if scene.world.factors[str(name)].any()][:2]
    z, context, state, *_ = scene.controls()
    measured = sum(scene.alignment.displacement(z, gene, context=context, state=state) for gene in genes)
    found = scene.moved(base, "+".join(genes))
    lost = ((found - measured) ** 2).sum() / (measured**2).sum()
    assert lost < 2 * base.report_["interpolation"]["lost"] + 0.01


def test_a_source_that_knows_nothing_gets_little_to_say(scene, small):
    source = scene.world.embedding
    rng = np.random.default_rng(5)
    other = GeneEmbedding(
        vectors=rng.normal(size=(len(source.genes), 20)),
        genes=source.genes,
        rows=np.arange(len(source.genes)),
        card=EmbeddingCard(name="noise"),
    )
    model = ResponseModel([other, source], injection=None, settings=small).fit(scene.alignment, scene.world.latent)
    shares = {each["name"]: each["share"] for each in model.report_["sources"]}
    assert shares["planted"] >= 0.75
    assert sum(shares.values()) == pytest.approx(1.0)
    alone = ResponseModel(other, injection=None, settings=small).fit(scene.alignment, scene.world.latent)
    assert scene.error(model, scene.world.unseen) < 0.8 * scene.error(alone, scene.world.unseen)


def test_where_the_latent_lies_does_not_matter(scene, base, small):
    latent, alignment = scene.world.latent, scene.alignment
    away = replace(latent, z=latent.z + 100)
    moved = replace(alignment, centres=alignment.centres + 100)
    model = ResponseModel(scene.world.embedding, injection=None, settings=small).fit(moved, away)
    z, context, state, *_ = scene.controls()
    found = model.displacement("G045", z + 100, context=context, state=state)
    assert np.allclose(found, scene.moved(base, "G045"), atol=2e-3)


def test_controls_that_cannot_be_moved_are_counted(scene, small):
    latent = scene.world.latent
    context = latent.labels["context"]
    strange = labels(
        "batch", [*context.categories, "z9"], np.where(np.arange(latent.n_cells) % 10 == 0, 8, context.codes)
    )
    model = ResponseModel(scene.world.embedding, injection=None, settings=small).fit(
        scene.alignment, replace(latent, labels={**latent.labels, "context": strange})
    )
    assert model.report_["n_controls_left_out"] == 40
    assert model.report_["n_controls"] == 360


def test_bad_input_is_refused(scene, small):
    latent, alignment = scene.world.latent, scene.alignment
    model = ResponseModel(scene.world.embedding, settings=small)
    with pytest.raises(FitError, match="before it has learnt"):
        model.displacement("G001", latent.z)
    with pytest.raises(LeakageError, match="split"):
        model.fit(alignment, replace(latent, split_hash="b" * 64))
    with pytest.raises(LeakageError, match="split"):
        model.fit(alignment, latent, split_hash="b" * 64)
    with pytest.raises(DataError, match="dimensions"):
        model.fit(alignment, replace(latent, z=latent.z[:, :3]))
    with pytest.raises(FitError, match="at least 6"):
        model.fit(
            replace(
                alignment,
                perturbations=alignment.perturbations[:5],
                displacements=alignment.displacements[:5],
                reports=alignment.reports[:5],
            ),
            latent,
        )
    with pytest.raises(EmbeddingError, match="0 of 40"):
        ResponseModel(replace(scene.world.embedding, genes=tuple(f"H{i}" for i in range(50)))).fit(alignment, latent)
    with pytest.raises(FitError, match="called 'flim'"):
        ResponseModel(scene.world.embedding, injection="flim")
    with pytest.raises(FitError, match="different names"):
        ResponseModel([scene.world.embedding] * 2)
