"""Small effects and predictions with names, variances and contexts."""

from __future__ import annotations

import numpy as np
import pytest

from perturbridge.values import ContextTable, Effects, Prediction, ScoreTable, as_names


@pytest.fixture
def make_effects():
    def make(delta, *, perturbations=None, genes=None, noise=None, n_cells=50, seed=0):
        """Effects with given Δ; with `noise`, a variance table, two contexts and shared controls."""
        delta = np.asarray(delta, dtype=float)
        n, n_genes = delta.shape
        rng = np.random.default_rng(seed)
        tables = {}
        if noise is not None:
            in_first = rng.integers(5, n_cells - 5, size=n)
            tables = {
                "variance": noise * rng.uniform(0.5, 1.5, size=(n, n_genes)),
                "contexts": ContextTable(
                    names=("a", "b"),
                    n_perturbed=np.stack([in_first, n_cells - in_first], axis=1),
                    n_control=np.array([30, 60]),
                    control_mean=np.zeros((2, n_genes)),
                    control_variance=noise * rng.uniform(0.5, 1.5, size=(2, n_genes)),
                ),
            }
        return Effects(
            perturbations=as_names(perturbations or [f"P{i}" for i in range(n)]),
            genes=tuple(genes or [f"g{j}" for j in range(n_genes)]),
            delta=delta,
            n_cells=np.full(n, n_cells),
            control_mean=np.zeros(n_genes),
            **tables,
        )

    return make


@pytest.fixture
def make_prediction():
    def make(delta, *, effects, perturbations, model="model", status=None, genes=None, split_hash=""):
        names = as_names(perturbations)
        return Prediction(
            perturbations=names,
            genes=tuple(genes or effects.genes),
            delta=np.asarray(delta, dtype=float),
            status=status or ("predicted",) * len(names),
            detail=("",) * len(names),
            model=model,
            split_hash=split_hash,
        )

    return make


@pytest.fixture
def make_table():
    def make(values, *, metric="rmse", perturbations=None, folds=None, strata=None, split_hash="h"):
        """A score table from {model: values of one metric}."""
        blocks = []
        for model, column in values.items():
            n = len(column)
            blocks.append(
                ScoreTable(
                    model=np.array([model] * n),
                    fold=np.array(folds or ["0"] * n),
                    perturbation=np.array(perturbations or [f"P{i}" for i in range(n)]),
                    stratum=np.array(strata or [""] * n),
                    metric=np.array([metric] * n),
                    status=np.array(["predicted"] * n),
                    value=np.array(column, dtype=float),
                    n_cells=np.full(n, 10),
                    split_hash=split_hash,
                )
            )
        return ScoreTable.join(blocks)

    return make
