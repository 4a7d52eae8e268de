"""Predicted cells and profiles."""

from dataclasses import replace

import numpy as np
import pytest

from perturbridge.errors import DataError, FitError, LeakageError
from perturbridge.values import Effects


def predict(base, scene, names=("G045", "unheard-of"), **settings):
    return base.predict(names, controls=scene.world.latent, **settings)


def test_cells_are_controls_moved_by_the_displacement(scene, base):
    found = predict(base, scene)
    z, *_ = scene.controls()
    assert found.n_cells == 2 * len(z)
    assert np.array_equal(found.codes, np.repeat([0, 1], len(z)))
    assert np.allclose(found.z[: len(z)] - z, scene.moved(base, "G045"), atol=1e-5)
    assert np.array_equal(scene.world.latent.z[found.controls[: len(z)]], z)
    assert found.status == ("predicted", "no_embedding")
    assert found.in_training == (False, False)
    assert found.expression is None
    assert found.profile is None
    assert found.split_hash == scene.world.latent.split_hash


def test_the_profile_compares_the_same_cells_in_their_own_contexts(scene, base, decoder):
    found = predict(base, scene, decoder=decoder, expression="none")
    z, context, _, *_ = scene.controls()
    moved = z + scene.moved(base, "G045")
    each = [
        np.log1p(decoder.decode(m[None], context=c, library_size=1e4))
        - np.log1p(decoder.decode(s[None], context=c, library_size=1e4))
        for m, s, c in zip(moved, z, context, strict=True)
    ]
    assert np.allclose(found.profile.delta[0], np.concatenate(each).mean(axis=0), atol=1e-4)
    assert found.profile.genes == decoder.genes
    assert found.profile.lower is None


def test_counts_are_drawn_at_the_library_size_of_each_control(scene, base, decoder):
    library = np.arange(1, scene.world.latent.n_cells + 1) * 10.0
    means = predict(base, scene, decoder=decoder, expression="means", library_size=library)
    counts = predict(base, scene, decoder=decoder, library_size=library)
    assert np.allclose(means.expression.sum(axis=1), means.library_size, rtol=1e-4)
    assert np.array_equal(means.library_size, library[means.controls])
    assert counts.expression_is == "counts"
    assert (counts.expression == np.round(counts.expression)).all()
    assert counts.expression.sum() == pytest.approx(means.expression.sum(), rel=0.02)
    assert set(decoder.asked) == {f"b{i}" for i in range(8)}


def test_the_same_seed_draws_the_same_and_the_same_controls_for_all(scene, base, decoder):
    one, two = (predict(base, scene, decoder=decoder, n_cells=20, seed=4) for _ in range(2))
    assert np.array_equal(one.expression, two.expression)
    assert np.array_equal(one.controls[:20], one.controls[20:])
    other = predict(base, scene, n_cells=20, seed=5)
    assert not np.array_equal(other.controls, one.controls)


def test_calibrated_bands_hold_new_perturbations(scene, base, decoder):
    world, latent = scene.world, scene.world.latent
    everyone = (*world.train, *world.unseen)
    z, *_, batch, _ = scene.controls()

    def profile(name):
        moved = z + scene.truth(name)
        return (
            np.mean(
                [
                    np.log1p(decoder.decode(moved[batch == b], context=f"b{b}", library_size=1e4)).sum(axis=0)
                    - np.log1p(decoder.decode(z[batch == b], context=f"b{b}", library_size=1e4)).sum(axis=0)
                    for b in range(8)
                ],
                axis=0,
            )
            * 8
            / len(z)
        )

    measured = Effects.from_delta(np.stack([profile(n) for n in everyone]), perturbations=everyone, genes=decoder.genes)
    model = type(base)(base.embeddings, injection=None, settings=base.settings)
    model._fitted = base.fitted_
    held = model.calibrate(measured, controls=latent, decoder=decoder, n_cells=None)
    truth = measured.delta[: len(world.train)]
    assert np.mean((held.delta - truth) ** 2) < 0.5 * np.mean(truth**2)
    found = predict(model, scene, names=world.unseen, decoder=decoder, expression="none", level=0.9).profile
    inside = (found.lower <= measured.delta[len(world.train) :]) & (measured.delta[len(world.train) :] <= found.upper)
    assert inside.mean() > 0.75
    with pytest.raises(DataError, match="1 of 5 genes"):
        model.calibrate(
            Effects.from_delta(measured.delta[:, :4], perturbations=everyone, genes=decoder.genes[:4]),
            controls=latent,
            decoder=decoder,
        )


def test_a_held_out_profile_does_not_know_its_own_displacement(scene, base, decoder):
    """Changing what was measured of a row changes no held-out prediction of it, at the same choices."""
    fitted = base.fitted_
    y = fitted.displacements.copy()
    y[3] += 7.0
    changed = replace(fitted, displacements=y)
    z, context, state, *_ = scene.controls()
    x = fitted.frame.centred(z, context)
    strata = fitted.frame.strata_of(x, context=context, state=state)
    assert np.array_equal(fitted.held_out_displacement(3, x, strata), changed.held_out_displacement(3, x, strata))
    other = int(np.flatnonzero(fitted.folds != fitted.folds[3])[0])
    pair = (each.held_out_displacement(other, x, strata) for each in (fitted, changed))
    assert not np.array_equal(*pair)


def test_the_radius_is_a_quantile_of_held_out_errors(scene, base):
    found = predict(base, scene, names=("G045", "G045+G046"), level=0.9)
    n = len(base.fitted_.errors)
    assert (base.fitted_.errors <= found.radius[0]).sum() == int(np.ceil(0.9 * (n + 1)))
    assert found.radius[1] == pytest.approx(found.radius[0] * np.sqrt(2))
    assert np.isinf(predict(base, scene, level=0.99).radius).all()
    with pytest.raises(FitError, match=r"level 0\.7"):
        predict(base, scene, level=0.7)


def test_synergy_of_what_was_measured(scene_of, small):
    from perturbridge.response import ResponseModel

    scene = scene_of(n_train=20, n_pairs=8, synergy=1.0, null=0.0)
    world = scene.world
    model = ResponseModel(world.embedding, injection=None, settings=small).fit(scene.alignment, world.latent)
    pair = next(name for name in world.train if not name.is_single)
    found = model.synergy(pair, controls=world.latent, alignment=scene.alignment)
    z, context, state, *_ = scene.controls()
    parts = [scene.alignment.displacement(z, n, context=context, state=state) for n in (pair, *pair.genes)]
    assert np.allclose(found.delta, parts[0] - parts[1] - parts[2], atol=1e-4)
    assert set(found.measured) == {str(pair), *pair.genes}
    assert found.error == pytest.approx(
        np.sqrt(sum(scene.alignment.report(n).noise for n in (pair, *pair.genes))), rel=1e-6
    )
    # Without a residual nothing but sums is predicted.
    assert model.synergy(pair, controls=world.latent).size == pytest.approx(0, abs=1e-5)
    with pytest.raises(FitError, match="has 1 gene"):
        model.synergy("G001", controls=world.latent)


def test_bad_requests_are_refused(scene, base, decoder):
    latent = scene.world.latent
    with pytest.raises(LeakageError, match="split"):
        base.predict(["G045"], controls=replace(latent, split_hash="c" * 64))
    with pytest.raises(DataError, match="0 cells are asked for"):
        predict(base, scene, n_cells=0)
    with pytest.raises(DataError, match="library_size has shape"):
        predict(base, scene, decoder=decoder, library_size=np.ones(3))
    with pytest.raises(DataError, match="expression is 'raw'"):
        predict(base, scene, decoder=decoder, expression="raw")
    with pytest.raises(DataError, match="stands more than once"):
        predict(base, scene, names=["A+B", "B+A"])
    with pytest.raises(LeakageError, match="split"):
        base.require_split("d" * 64)
    base.require_split(latent.split_hash)
