"""Every penalty with exact leave-one-out: 2,000 rows x 1,536 features, 5,000 targets, 20 penalties, one thread.

`work_cpu_s` is the fit alone; imports and making the data are left out. `alpha` is the penalty picked, `loo_mse` its left-out error.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from ._contender import measure, peak_mb

MODULE = "tests.benchmarks._alpha_path"
SIZES = {False: (2000, 1536, 5000), True: (300, 200, 400)}
ALPHAS = np.logspace(-1, 5, 20)
N_FOLDS = 5


def run(*, quick: bool) -> list[dict]:
    sizes = json.dumps(SIZES[quick])
    rows = [{"contender": label, **measure(MODULE, name, sizes)} for name, (label, _) in CONTENDERS.items()]
    ours = rows[0]
    for row in rows:
        row["work ratio"] = ours["work_cpu_s"] / row["work_cpu_s"]
        row["memory ratio"] = ours["peak_mb"] / row["peak_mb"]
    return rows


def data(n_rows: int, n_dims: int, n_targets: int):
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(n_rows, n_dims)) * np.logspace(0, -1.5, n_dims)).astype(np.float32)
    map_ = rng.normal(size=(n_dims, 40)) @ rng.normal(size=(40, n_targets))
    return features, 0.05 * features @ map_ + rng.normal(size=(n_rows, n_targets))


def ours(features, targets):
    from perturbridge.numerics import LooRidge

    ridge = LooRidge.from_features(features, targets)
    errors = [ridge.loo_error(alpha) / targets.shape[1] for alpha in ALPHAS]
    best = int(np.argmin(errors))
    ridge.solve(ALPHAS[best])
    return ALPHAS[best], errors[best]


def ridge_cv(features, targets):
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(ALPHAS).fit(features, targets)
    return model.alpha_, -model.best_score_


def refit(features, targets):
    """One Ridge for each penalty and fold, as a grid search does."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold

    errors = np.zeros(len(ALPHAS))
    for train, test in KFold(N_FOLDS, shuffle=True, random_state=0).split(features):
        for i, alpha in enumerate(ALPHAS):
            fitted = Ridge(alpha=alpha).fit(features[train].astype(float), targets[train])
            errors[i] += ((fitted.predict(features[test]) - targets[test]) ** 2).mean() / N_FOLDS
    best = int(np.argmin(errors))
    Ridge(alpha=ALPHAS[best]).fit(features.astype(float), targets)
    return ALPHAS[best], errors[best]


def whole_model(features, targets):
    """Choice among one linear and five RBF kernels, 57 penalties, exact left-out error, shrinkage, and the solve."""
    from perturbridge.effects import EffectModel
    from perturbridge.values import Effects, EmbeddingCard, GeneEmbedding

    names = tuple(f"G{i}" for i in range(len(features)))
    source = GeneEmbedding(
        vectors=features, genes=names, rows=np.arange(len(names)), card=EmbeddingCard(name="simulated")
    )
    report = EffectModel(source).fit(Effects.from_delta(targets, perturbations=names)).report_
    return report["alpha"], float("nan")


CONTENDERS = {
    "ours": ("LooRidge, 20 penalties", ours),
    "ridge_cv": ("scikit-learn RidgeCV, 20 penalties", ridge_cv),
    "refit": (f"scikit-learn Ridge for each of 20 penalties and {N_FOLDS} folds", refit),
    "whole_model": ("EffectModel.fit, 6 kernels x 57 penalties", whole_model),
}


def main() -> None:
    features, targets = data(*json.loads(sys.argv[2]))
    started = time.process_time()
    alpha, error = CONTENDERS[sys.argv[1]][1](features, targets)
    spent = time.process_time() - started
    print(json.dumps({"work_cpu_s": spent, "peak_mb": peak_mb(), "alpha": alpha, "loo_mse": error}))


if __name__ == "__main__":
    main()
