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
        "rest": table(lambda i, g: ((23 * g + 17 * i * i + i * g) % 41 - 20) / 4),
        "lower": table(lambda i, g: (1 + i % 3) * real(i, g) / 16 - 0.5 - (g % 5) / 8),
        "upper": table(lambda i, g: (1 + i % 3) * real(i, g) / 16 + 0.75 + ((g + i) % 7) / 8),
        "level": 0.9,
        "pred_noise": table(lambda i, g: (2 + (g * g + i) % 5) / 60),
        "allowance": table(lambda i, g: (1 + (g * g + 2 * i) % 5) / 150),
        "reference_noise": [(1 + g % 4) / 300 for g in range(n_genes)],
        "real_change": table(lambda i, g: real(min(i, 5), g) / 5 + g / 1000),
        "pred_change": table(lambda i, g: (real(i, g) + ((11 * i + g * g) % 19 - 9)) / 20 - g / 900),
        "real_p": table(lambda i, g: ((13 * i + 29 * g) % 131 + 1) / 132),
        "pred_p": table(lambda i, g: ((7 * i + 5 * g * g) % 61 + 1) / 62),
        "cells": [[cloud(i, 1, 6), cloud(i, 2, 5)] for i in range(n)],
        "gene_sets": {
            "expressed": [g % 3 > 0 for g in range(n_genes)],
            "variable": [g % 5 != 1 for g in range(n_genes)],
        },
    }


def cloud(i: int, side: int, n_cells: int) -> list[list[float]]:
    """A few cells in three dimensions, by formula."""
    return [
        [((7 * i + 5 * side * c + 3 * d * c + d * side) % 13) / 6 + side / 3 for d in range(3)] for c in range(n_cells)
    ]


def expected(given: dict[str, list]) -> dict[str, list[float]]:
    import numpy as np
    from scipy.spatial.distance import cdist
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
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
        allowance = float(np.mean(np.array(given["allowance"][i])[genes]))
        add("rmse_excess", math.sqrt(max(0.0, mean_squared_error(t, p) - noise - allowance)))
        add("mae", mean_absolute_error(t, p))
        add("pearson_delta", pearsonr(p, t)[0])
        own = np.array(given["noise"][i])[genes]
        add("pearson_delta_denoised", pearsonr(p, t)[0] / math.sqrt(1 - allowance / np.var(p)))
        add("pearson_delta_ceiling", reachable(np.var(t, ddof=1), own))
        add("pearson_delta_pert", pearsonr(p - m, t - m)[0])
        add("pearson_delta_pert_denoised", pearsonr(p - m, t - m)[0] / math.sqrt(1 - allowance / np.var(p - m)))
        own = own + np.array(given["reference_noise"])[genes]
        add("pearson_delta_pert_ceiling", reachable(np.var(t - m, ddof=1), own))
        add("spearman_delta", spearmanr(p, t)[0])
        add("cosine_delta", cosine_similarity(p[None], t[None])[0, 0])
        for k in (20, 50, 100):
            top = sorted(genes, key=lambda g: -given["strength"][i][g])[:k]
            add(f"pearson_delta_top{k}", pearsonr(pred[i, top], true[i, top])[0])
            add(f"rmse_top{k}", math.sqrt(mean_squared_error(true[i, top], pred[i, top])))
        add("mse_unbiased", mean_squared_error(t, p) - noise - np.mean(np.array(given["pred_noise"][i])[genes]))
        add_weighted(given, i, genes, add=add)
        add_changes(given, i, genes, add=add)
        add_bounds(given, i, genes, add=add)
        add_clouds(*(np.array(side) for side in given["cells"][i]), add=add)
        degs = [g for g in genes if given["real_p"][i][g] < (0.6, 0.25)[i % 2]]
        sets = {name: [g for g in genes if chosen[g]] for name, chosen in given["gene_sets"].items()}
        for name, chosen in {"degs": degs, **sets}.items():
            add(f"pearson_delta_{name}", pearsonr(pred[i, chosen], true[i, chosen])[0])
        top = sorted(genes, key=lambda g: -given["strength"][i][g])[:50]
        for name, chosen in {"degs": degs, "top50": top}.items():
            shift = np.array(given["train_mean"])[chosen]
            add(f"pearson_delta_pert_{name}", pearsonr(pred[i, chosen] - shift, true[i, chosen] - shift)[0])
        add("r2_delta", r2_score(t, p))
        add("r2_delta_pert", r2_score(t - m, p - m))
        for name, metric in (("rank_cosine", "cosine"), ("rank_rmse", "euclidean")):
            far = cdist(pred, true[i : i + 1], metric)[:, 0]
            others = [far[q] for q in range(len(far)) if q != i]
            add(name, sum((d < far[i]) + 0.5 * (d == far[i]) for d in others) / len(others))
        for name, metric in (("pds_cosine", "cosine"), ("pds_l2", "euclidean"), ("pds_l1", "cityblock")):
            far = cdist(pred[i : i + 1], true, metric)[0]
            others = [far[q] for q in range(len(far)) if q != i]
            add(name, 1 - sum((d < far[i]) + 0.5 * (d == far[i]) for d in others) / len(others))
            if metric == "euclidean":
                add("centroid_accuracy", sum(d > far[i] for d in others) / len(others))
    return out


def reachable(spread: float, noise) -> float:
    """sign(u) √(1 − e^−|u|), u = ln(spread / mean noise) + 0.82 / ν."""
    u = math.log(spread / noise.mean()) + 0.82 * (noise**2).sum() / noise.sum() ** 2
    return math.copysign(math.sqrt(1 - math.exp(-abs(u))), u)


def add_weighted(given, i, genes, *, add) -> None:
    import numpy as np
    from sklearn.metrics import mean_squared_error, r2_score

    p, t = np.array(given["pred"][i])[genes], np.array(given["true"][i])[genes]
    m = np.array(given["train_mean"])[genes]
    size = np.abs(np.array(given["rest"][i])[genes])
    weights = ((size - size.min()) / (size.max() - size.min())) ** 2
    weights /= weights.sum()
    add("wmse", mean_squared_error(t, p, sample_weight=weights))
    add("weighted_r2_delta_pert", r2_score(t - m, p - m, sample_weight=weights))


def add_changes(given, i, genes, *, add) -> None:
    import numpy as np
    from scipy.stats import spearmanr
    from sklearn.metrics import average_precision_score, roc_auc_score

    real = {g for g in genes if given["real_p"][i][g] < (0.6, 0.25)[i % 2]}
    called = {g for g in genes if given["pred_p"][i][g] < (0.65, 0.3, 0.3)[i % 3]}
    labels, ranking = [g in real for g in genes], [-given["pred_p"][i][g] for g in genes]
    add("de_auroc", roc_auc_score(labels, ranking))
    add("de_auprc", average_precision_score(labels, ranking))

    def top(side, members, k):
        return set(sorted(members, key=lambda g: -abs(given[side][i][g]))[:k])

    for name, limit in (("at_n", 10**6), ("at_50", 50)):
        for what, members in (("overlap", real), ("precision", called)):
            k = min(limit, len(members))
            add(f"de_{what}_{name}", len(top("real_change", real, k) & top("pred_change", called, k)) / k)
    add("de_sig_jaccard", len(real & called) / len(real | called))
    add("de_sig_recall", len(real & called) / len(real))
    r, p = (np.array([given[side][i][g] for g in sorted(real)]) for side in ("real_change", "pred_change"))
    add("de_direction_match", np.mean((np.sign(r) * np.sign(p) + 1) / 2))
    add("de_lfc_spearman", spearmanr(r, p)[0])
    add("de_lfc_nmae", sum(abs(p - r)) / sum(abs(r)))


def add_bounds(given, i, genes, *, add) -> None:
    import numpy as np
    from scipy.integrate import quad
    from scipy.stats import norm, spearmanr

    p, t, low, high = (np.array(given[name][i])[genes] for name in ("pred", "true", "lower", "upper"))
    spread = (high - low) / (2 * norm.ppf(0.95))
    middle = (low + high) / 2
    add("picp_90", np.mean((t >= low) & (t <= high)))
    add("picp_50", np.mean((norm.cdf(t, middle, spread) > 0.25) & (norm.cdf(t, middle, spread) < 0.75)))
    add("rho_unc_error", spearmanr(high - low, np.abs(p - t))[0])

    def one(center, s, y):
        below = quad(lambda x: norm.cdf(x, center, s) ** 2, center - 12 * s, y, epsabs=1e-13, points=[center])[0]
        above = quad(lambda x: norm.sf(x, center, s) ** 2, y, center + 12 * s, epsabs=1e-13, points=[center])[0]
        return below + above

    assert abs(one(0.3, 0.7, 0.9) - closed(0.3, 0.7, 0.9)) < 1e-10
    add("crps", np.mean([closed(*values) for values in zip(p, spread, t, strict=True)]))


def closed(center: float, s: float, y: float) -> float:
    """Closed form of ∫ (F(x) − 1[x ≥ y])² dx for a normal F; checked against the integral above."""
    from scipy.stats import norm

    z = (y - center) / s
    return s * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / math.sqrt(math.pi))


def add_clouds(x, y, *, add) -> None:
    import numpy as np

    def far(a, b):
        return [[math.dist(p, q) for q in b] for p in a]

    def different(a):
        return [math.dist(p, q) for i, p in enumerate(a) for j, q in enumerate(a) if i != j]

    across = [d for row in far(x, y) for d in row]
    add("edistance", 2 * np.mean(across) - np.mean(different(x)) - np.mean(different(y)))
    sigma2 = np.median([math.dist(p, q) ** 2 for z in [list(x) + list(y)] for i, p in enumerate(z) for q in z[:i]])

    def kernel(values):
        return np.mean([math.exp(-(d**2) / (2 * sigma2)) for d in values])

    add("mmd_rbf", kernel(different(x)) + kernel(different(y)) - 2 * kernel(across))
    epsilon = 0.1 * np.mean([d**2 / 2 for d in across])

    def transport(a, b):
        gibbs = np.exp(-np.array([[d**2 / 2 for d in row] for row in far(a, b)]) / epsilon)
        u, v = np.ones(len(a)), np.ones(len(b))
        for _ in range(100_000):
            u_new = 1 / len(a) / (gibbs @ v)
            v = 1 / len(b) / (gibbs.T @ u_new)
            done = np.max(np.abs(np.log(u_new / u))) < 1e-12
            u = u_new
            if done:
                break
        # Potentials for the product of the uniform weights as reference measure.
        return epsilon * (np.mean(np.log(u * len(a))) + np.mean(np.log(v * len(b))))

    add("sinkhorn_div", transport(x, y) - transport(x, x) / 2 - transport(y, y) / 2)


def main() -> None:
    given = case()
    golden = {"made_by": "make_metrics.py", "versions": {"scipy": "1.17.1", "scikit-learn": "1.9.1"}, **given}
    golden["scores"] = expected(given)
    Path(__file__).with_name("metrics.json").write_text(json.dumps(golden) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
