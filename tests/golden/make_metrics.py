"""Makes metrics.json: one value per metric and perturbation on a fixed case, from scipy, scikit-learn and plain loops.

Nothing of perturbridge takes part. Run: python make_metrics.py (scipy 1.17.1, scikit-learn 1.9.1).
"""

from __future__ import annotations

import json
import math
from pathlib import Path


def case() -> dict[str, list]:
    """Seven perturbations × 120 genes by formula, the last two with the same real profile.

    No two genes of a row are equally strong; two genes of each row do not count.
    """
    n, n_genes = 7, 120

    def table(formula):
        return [[formula(i, g) for g in range(n_genes)] for i in range(n)]

    def real(i, g):
        return (7 * i + 3 * g * g + 6 * i * g) % 17 - 8 + g * 13 % 7

    return {
        "pred": table(lambda i, g: (1 + i % 3) * (real(i, g) + 4 * ((11 * i + g * g + 2 * i * g) % 19 - 9)) / 20),
        "true": table(lambda i, g: real(min(i, 5), g) / 5),
        "counted": table(lambda i, g: g not in (5 * i + 2, 11 * i + 40)),
        "strength": table(lambda i, g: (37 * g + 11 * i) % 127 + 1),
        "noise": table(lambda i, g: (1 + (g + i) % 3) / 40),
        "train_mean": [((5 * g) % 11 - 4) / 10 for g in range(n_genes)],
    }


def expected(given: dict[str, list]) -> dict[str, list[float]]:
    import numpy as np
    from scipy.spatial.distance import cdist
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import mean_absolute_error, mean_squared_error
    from sklearn.metrics.pairwise import cosine_similarity

    pred, true = np.array(given["pred"]), np.array(given["true"])
    out: dict[str, list[float]] = {}

    def add(name, value):
        out.setdefault(name, []).append(float(value))

    for i in range(len(pred)):
        genes = [g for g in range(pred.shape[1]) if given["counted"][i][g]]
        p, t, m = pred[i, genes], true[i, genes], np.array(given["train_mean"])[genes]
        noise = float(np.mean(np.array(given["noise"][i])[genes]))
        add("rmse", math.sqrt(mean_squared_error(t, p)))
        add("rmse_floor", math.sqrt(noise))
        add("rmse_excess", math.sqrt(max(0.0, mean_squared_error(t, p) - noise)))
        add("mae", mean_absolute_error(t, p))
        add("pearson_delta", pearsonr(p, t)[0])
        add("pearson_delta_ceiling", math.sqrt(1 - noise / np.var(t)))
        add("pearson_delta_pert", pearsonr(p - m, t - m)[0])
        add("pearson_delta_pert_ceiling", math.sqrt(1 - noise / np.var(t - m)))
        add("spearman_delta", spearmanr(p, t)[0])
        add("cosine_delta", cosine_similarity(p[None], t[None])[0, 0])
        for k in (20, 50, 100):
            top = sorted(genes, key=lambda g: -given["strength"][i][g])[:k]
            add(f"pearson_delta_top{k}", pearsonr(pred[i, top], true[i, top])[0])
            add(f"rmse_top{k}", math.sqrt(mean_squared_error(true[i, top], pred[i, top])))
        for name, metric in (("pds_cosine", "cosine"), ("pds_l2", "euclidean"), ("pds_l1", "cityblock")):
            far = cdist(pred[i : i + 1], true, metric)[0]
            others = [far[q] for q in range(len(far)) if q != i]
            add(name, 1 - sum((d < far[i]) + 0.5 * (d == far[i]) for d in others) / len(others))
            if metric == "euclidean":
                add("centroid_accuracy", sum(d > far[i] for d in others) / len(others))
    return out


def main() -> None:
    given = case()
    golden = {"made_by": "make_metrics.py", "versions": {"scipy": "1.17.1", "scikit-learn": "1.9.1"}, **given}
    golden["scores"] = expected(given)
    Path(__file__).with_name("metrics.json").write_text(json.dumps(golden) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
