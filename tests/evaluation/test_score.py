from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr

from perturbridge.errors import DataError, LeakageError
from perturbridge.evaluation import METRICS, score, to_frame
from perturbridge.values import Effects, Prediction, as_names

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def setting(make_effects, make_prediction):
    """Twelve perturbations of genes of the screen, the last five held out and predicted with some error."""
    rng = np.random.default_rng(0)
    targets = [f"g{i}" for i in range(11)] + ["g3+g11"]
    effects = make_effects(rng.normal(size=(12, 130)), perturbations=targets, noise=2.0)
    test, train = effects.perturbations[7:], effects.perturbations[:7]
    pred = effects.delta[7:] + rng.normal(size=(5, 130))
    return effects, make_prediction(pred, effects=effects, perturbations=test), train


def wide(table):
    return to_frame(table).pivot_table(index="perturbation", columns="metric", values="value", dropna=False, sort=False)


def test_rows_and_labels(setting):
    effects, prediction, train = setting
    prediction = replace(prediction, status=("predicted",) * 4 + ("partial_embedding",))
    table = score(
        prediction, effects, train=train, fold="f1", strata=list("aabbc"), metrics=["mae", "rmse"], split_hash="h"
    )
    assert table.metric.tolist() == ["rmse", "mae"] * 5
    assert table.perturbation.tolist() == [str(p) for p in prediction.perturbations for _ in range(2)]
    assert table.stratum.tolist() == [s for s in "aabbc" for _ in range(2)]
    assert table.status.tolist() == ["predicted"] * 8 + ["partial_embedding"] * 2
    assert set(table.model) == {"model"}
    assert set(table.fold) == {"f1"}
    assert table.n_cells.tolist() == [50] * 10
    assert table.split_hash == "h"
    everything = score(prediction, effects, train=train)
    assert everything.metric[: len(METRICS)].tolist() == list(METRICS)
    assert set(everything.stratum) == set(everything.fold) == {""}


def test_own_targets_are_left_out_of_errors_and_shapes(setting):
    effects, prediction, train = setting
    with_, without = (wide(score(prediction, effects, train=train, exclude_targets=wanted)) for wanted in (False, True))
    mean = effects.take(train).delta.mean(axis=0)
    for i, name in enumerate(prediction.perturbations):
        for table, left_out in ((with_, ()), (without, name.genes)):
            genes = [j for j, gene in enumerate(effects.genes) if gene not in left_out]
            pred, true = prediction.delta[i, genes], effects.delta[7 + i, genes]
            row = table.loc[str(name)]
            assert row["rmse"] == pytest.approx(np.sqrt(np.mean((pred - true) ** 2)), rel=1e-12)
            assert row["mae"] == pytest.approx(np.mean(np.abs(pred - true)), rel=1e-12)
            assert row["pearson_delta"] == pytest.approx(pearsonr(pred, true)[0], rel=1e-12)
            reference = mean[genes]
            assert row["pearson_delta_pert"] == pytest.approx(
                pearsonr(pred - reference, true - reference)[0], rel=1e-12
            )


def test_all_targets_of_the_panel_are_left_out_of_discrimination(setting):
    """A prediction that knows nothing but which genes of the panel were targeted is told apart by them alone."""
    effects, prediction, train = setting
    delta = effects.delta.copy()
    columns = [effects.genes.index(g) for g in ("g7", "g8", "g9", "g10", "g3", "g11")]
    delta[7:, columns] = 0
    pred = np.zeros_like(prediction.delta)
    for i, name in enumerate(prediction.perturbations):
        for gene in name.genes:
            delta[7 + i, effects.genes.index(gene)] = pred[i, effects.genes.index(gene)] = -50.0
    effects, prediction = replace(effects, delta=delta), replace(prediction, delta=pred)
    known, unknown = (wide(score(prediction, effects, train=train, exclude_targets=wanted)) for wanted in (False, True))
    assert (known["pds_cosine"] == 1).all()
    assert (unknown["pds_cosine"] == 0.5).all()


def test_order_of_genes_and_rows_decides_nothing_to_the_last_bit(setting):
    effects, prediction, train = setting
    rng = np.random.default_rng(1)
    a, b, rows = rng.permutation(130), rng.permutation(130), rng.permutation(12)
    turned_effects = replace(
        effects,
        genes=tuple(effects.genes[j] for j in a),
        delta=effects.delta[:, a],
        variance=effects.variance[:, a],
        control_mean=effects.control_mean[a],
        contexts=replace(
            effects.contexts,
            control_mean=effects.contexts.control_mean[:, a],
            control_variance=effects.contexts.control_variance[:, a],
        ),
    ).take([effects.perturbations[i] for i in rows])
    turned = replace(prediction, genes=tuple(prediction.genes[j] for j in b), delta=prediction.delta[:, b])
    first, second = score(prediction, effects, train=train), score(turned, turned_effects, train=train)
    np.testing.assert_array_equal(first.value, second.value)


def test_the_training_reference_sees_training_rows_alone(setting):
    effects, prediction, train = setting
    changed = effects.delta.copy()
    changed[10] = 99.0
    fewer = prediction.perturbations[:3]
    part = replace(
        prediction,
        perturbations=fewer,
        delta=prediction.delta[:3],
        status=("predicted",) * 3,
        detail=("",) * 3,
        in_training=(),
    )
    first = score(part, effects, train=train)
    second = score(part, replace(effects, delta=changed), train=train)
    np.testing.assert_array_equal(first.value, second.value)
    other = score(part, effects, train=train[:3])
    assert not np.array_equal(first.value, other.value)


def test_floor_and_top_genes_come_from_the_right_variances(setting):
    effects, prediction, train = setting
    table = wide(score(prediction, effects, train=train, exclude_targets=False))
    contexts, real = effects.contexts, effects.take(prediction.perturbations)
    per_context = contexts.control_variance / contexts.n_control[:, None]
    apart = contexts.weights[7:] - contexts.weights[:7].mean(axis=0)
    floor = np.sqrt((real.variance / 50 + apart**2 @ per_context).mean(axis=1))
    np.testing.assert_allclose(table["rmse_floor"], floor, rtol=1e-12)
    top = np.argsort(-np.abs(real.delta) / np.sqrt(real.sampling_variance()), axis=1)[:, :20]
    error = np.take_along_axis(prediction.delta - real.delta, top, axis=1)
    np.testing.assert_allclose(table["rmse_top20"], np.sqrt((error**2).mean(axis=1)), rtol=1e-12)


def test_blocks_do_not_show(setting, monkeypatch):
    from perturbridge.evaluation import _real

    effects, prediction, train = setting
    whole = score(prediction, effects, train=train)
    monkeypatch.setattr(_real, "_BLOCK_ENTRIES", 130 * 2)
    np.testing.assert_allclose(score(prediction, effects, train=train).value, whole.value, rtol=1e-12)


def test_one_metric_scores_as_among_all(setting):
    effects, prediction, train = setting
    whole = wide(score(prediction, effects, train=train))
    for name in METRICS:
        alone = score(prediction, effects, train=train, metrics=[name])
        np.testing.assert_array_equal(alone.value, whole[name].to_numpy())


def test_without_variances_floors_are_undefined_and_the_rest_is_not(make_effects, make_prediction):
    rng = np.random.default_rng(3)
    effects = make_effects(rng.normal(size=(6, 40)))
    prediction = make_prediction(rng.normal(size=(3, 40)), effects=effects, perturbations=["P0", "P1", "P2"])
    table = wide(score(prediction, effects, train=as_names(["P3", "P4"])))
    undefined = {name for name in table.columns if table[name].isna().any()}
    needed = {"noise", "contrast", "rest", "bounds", "cells", "gene_sets"}
    assert undefined == {name for name, metric in METRICS.items() if needed & set(metric.needs)}
    assert {"rmse_floor", "rmse_excess", "wmse", "de_auroc"} <= undefined


def test_trained_perturbations_are_refused(setting):
    effects, prediction, train = setting
    with pytest.raises(LeakageError, match=r"1 of 5 predicted perturbations were trained on, the first is g8\."):
        score(prediction, effects, train=(*train, prediction.perturbations[1]))


def test_the_same_pair_in_another_order_is_refused_too(setting):
    effects, prediction, train = setting
    with pytest.raises(LeakageError, match=r"the first is g11\+g3"):
        score(prediction, effects, train=(*train, *as_names(["g11+g3"])))


def test_another_split_is_refused(setting):
    effects, prediction, train = setting
    with pytest.raises(LeakageError, match="made on split aaaa, not on bbbb"):
        score(replace(prediction, split_hash="aaaa"), effects, train=train, split_hash="bbbb")
    assert score(replace(prediction, split_hash="aaaa"), effects, train=train).split_hash == "aaaa"


def test_other_genes_are_refused(setting):
    effects, prediction, train = setting
    renamed = replace(prediction, genes=(*prediction.genes[:-1], "G129"))
    with pytest.raises(
        DataError, match="130 predicted and 130 measured genes have 129 in common; the first of 2 others is 'G129'"
    ):
        score(renamed, effects, train=train)
    fewer = replace(prediction, genes=prediction.genes[1:], delta=prediction.delta[:, 1:])
    with pytest.raises(DataError, match="129 predicted and 130 measured"):
        score(fewer, effects, train=train)


def test_unmeasured_perturbations_are_refused(setting):
    effects, prediction, train = setting
    other = replace(prediction, perturbations=(*prediction.perturbations[:4], *as_names(["NEW"])))
    with pytest.raises(DataError, match="1 perturbations are not among the 12 measured, the first is NEW"):
        score(other, effects, train=train)
    with pytest.raises(DataError, match="1 perturbations are not among the 12 measured, the first is NEW"):
        score(prediction, effects, train=(*train, *as_names(["NEW"])))


def test_nothing_to_score_or_train_on_is_refused(setting):
    effects, prediction, train = setting
    with pytest.raises(DataError, match="5 predicted and 0 training"):
        score(prediction, effects, train=())
    empty = replace(prediction, perturbations=(), delta=np.zeros((0, 130)), status=(), detail=(), in_training=())
    with pytest.raises(DataError, match="0 predicted and 7 training"):
        score(empty, effects, train=train)


def test_unknown_metrics_and_strata_are_refused(setting):
    effects, prediction, train = setting
    with pytest.raises(DataError, match=r"'pearson_delt' is not a metric\. Use 'pearson_delta'"):
        score(prediction, effects, train=train, metrics=["rmse", "pearson_delt"])
    with pytest.raises(DataError, match="list of metrics is empty"):
        score(prediction, effects, train=train, metrics=[])
    with pytest.raises(DataError, match="2 strata for 5 predicted"):
        score(prediction, effects, train=train, strata=["a", "b"])


def test_a_panel_that_targets_every_gene_is_undefined_and_said_so(make_effects, make_prediction):
    effects = make_effects(np.random.default_rng(0).normal(size=(3, 2)), perturbations=["g0", "g1", "other"])
    prediction = make_prediction(np.ones((2, 2)), effects=effects, perturbations=["g0", "g1"])
    table = wide(score(prediction, effects, train=as_names(["other"])))
    assert table["pds_l2"].isna().all()
    assert table["rmse"].notna().all()


def test_agrees_with_cell_eval2():
    """Scores of cell-eval2 0.20.0 on the same cells: tests/golden/make_cell_eval2.py."""
    golden = json.loads((GOLDEN / "cell_eval2.json").read_text(encoding="utf-8"))
    from perturbridge.values import Prediction

    n = len(golden["perturbations"])
    real = np.vstack([golden["real"], np.zeros(len(golden["genes"]))])
    effects = Effects.from_delta(real, perturbations=[*golden["perturbations"], "TRAIN"], genes=golden["genes"])
    prediction = Prediction(
        perturbations=as_names(golden["perturbations"]),
        genes=tuple(golden["genes"]),
        delta=np.array(golden["pred"]),
        status=("predicted",) * n,
        detail=("",) * n,
        model="m",
    )
    ours = {}
    for exclude in (False, True):
        ours[exclude] = wide(score(prediction, effects, train=as_names(["TRAIN"]), exclude_targets=exclude))
    theirs = {name: np.array(values) for name, values in golden["scores"].items()}
    np.testing.assert_allclose(ours[False]["mae"], theirs["expr_mae"], atol=1e-6)
    np.testing.assert_allclose(ours[False]["rmse"] ** 2, theirs["expr_mse"], atol=1e-6)
    np.testing.assert_allclose(ours[False]["pearson_delta"], theirs["delta_pearson"], atol=1e-6)
    for name in ("pds_l1", "pds_l2", "pds_cosine"):
        np.testing.assert_allclose(ours[True][name], theirs[name], atol=1e-12)
        assert not np.allclose(ours[False][name], theirs[name])


def test_a_row_the_model_was_fitted_on_is_refused():
    """A fit scored as a prediction would be perfect for nothing."""
    effects = Effects.from_delta(np.eye(4), perturbations=["A", "B", "C", "D"])
    fitted = Prediction(
        perturbations=as_names(["A", "B"]),
        genes=effects.genes,
        delta=effects.delta[:2],
        status=("predicted",) * 2,
        detail=("", ""),
        model="m",
        in_training=(False, True),
    )
    with pytest.raises(LeakageError, match=r"'m' was fitted on 1 of 2 predicted perturbations, the first is B"):
        score(fitted, effects, train=as_names(["C", "D"]))
    assert len(score(replace(fitted, in_training=()), effects, train=as_names(["C", "D"])).value)
