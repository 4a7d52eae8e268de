"""Cost of a whole audit (ladder of probes, 999 permutations, every check) and of its permutations alone, beside scikit-learn's
`permutation_test_score` of a ridge classifier with the same five folds; its cost per permutation is measured on a few and scaled to 999.
CPU seconds (user + system) of a fresh process, imports included; the permutations are timed inside the process, after compiling.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from ._contender import measure, peak_mb

SIZES = {
    "10k x 16, 2 contexts": (10_000, 16, 2),
    "100k x 32, 8 contexts": (100_000, 32, 8),
    "1M x 16, 2 contexts": (1_000_000, 16, 2),
}
QUICK = {"2k x 16, 2 contexts": (2_000, 16, 2)}


def cells(n: int, d: int, k: int) -> tuple[np.ndarray, ...]:
    """Clean coordinates; context, four samples in each, twenty perturbations and controls, all independent."""
    rng = np.random.default_rng(0)
    context = rng.integers(k, size=n)
    condition = np.array(["control", *(f"g{i}" for i in range(20))])[rng.integers(21, size=n)]
    z = rng.normal(size=(n, d)).astype(np.float32)
    z[:, 0] += 1.0 * (condition != "control")
    return z, context, context * 4 + rng.integers(4, size=n), condition


def audit(n: int, d: int, k: int) -> dict:
    from perturbridge.audit import audit_latent

    z, context, sample, condition = cells(n, d, k)
    report = audit_latent(z, context=context, sample=sample, condition=condition)
    print(f"{report.verdict} {[(c.name, c.verdict) for c in report.checks]}", file=sys.stderr)
    return {"peak_mb": peak_mb()}


def permutations(n: int, d: int, k: int, *, n_scikit: int = 3) -> dict:
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import StratifiedKFold, permutation_test_score

    from perturbridge.audit._permutation import separation_p

    z, context, _, _ = cells(n, d, k)
    strata = np.zeros(n, dtype=np.int64)
    separation_p(z[:100].astype(float), context[:100], strata[:100], n_permutations=9, seed=0)
    started = time.process_time()
    separation_p(z.astype(float), context, strata, n_permutations=999, seed=0)
    ours = time.process_time() - started
    started = time.process_time()
    permutation_test_score(
        RidgeClassifier(),
        z,
        context,
        cv=StratifiedKFold(5),
        n_permutations=n_scikit,
        random_state=0,
        scoring="balanced_accuracy",
    )
    theirs = (time.process_time() - started) * 1_000 / (n_scikit + 1)
    return {"ours_s": ours, "scikit_s": theirs, "ratio": ours / theirs}


def run(*, quick: bool) -> list[dict]:
    rows = []
    for name, size in (QUICK if quick else SIZES).items():
        words = [str(x) for x in size]
        row = {"cells": name} | measure("tests.benchmarks._audit_speed", "audit", *words)
        if size[0] <= 100_000:
            row |= {f"permutations_{k}": v for k, v in permutations(*size).items()}
        rows.append(row)
    return rows


if __name__ == "__main__":
    what, *numbers = sys.argv[1:]
    print(json.dumps(audit(*(int(x) for x in numbers))))
