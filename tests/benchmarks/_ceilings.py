"""Ceilings, skill and intervals on simulated screens whose truth is known.

*No effect*: 50 screens of 24 perturbations that do nothing (40 cells each, 80 genes, 4,000 controls): mean over screens of the ceiling of each headline
metric, with its standard error, beside chance. *Near-oracle*: 10 screens of 60 test perturbations; three models: 50 cells
drawn around the truth (oracle), half of the truth with a little error (ridge), the training mean; raw score and skill of each. *Coverage*: 500 screens of 40 test perturbations; how often
the 95 % interval of a headline mean holds the mean over 1,200 more perturbations of the same screen.
"""

from __future__ import annotations

import numpy as np

from perturbridge.evaluation import DUPLICATE, HEADLINE, METRICS, PredictedCells, Scorer, calibrate, headline, summarize
from perturbridge.values import ContextTable, Effects, Prediction, ScoreTable, as_names

N_GENES = 80
CONTROL_CELLS = 4_000
ORACLE_CELLS = 50


def run(*, quick: bool) -> list[dict]:
    return [*no_effect(5 if quick else 50), *near_oracle(2 if quick else 10), *covered(20 if quick else 500)]


def measured(truth: np.ndarray, rng: np.random.Generator, *, n_cells: int = 40, control_error: np.ndarray) -> Effects:
    """Effects as drawn from cells of unit variance, with one context."""
    n, n_genes = truth.shape
    return Effects(
        perturbations=as_names([f"P{i:03d}" for i in range(n)]),
        genes=tuple(f"g{j:03d}" for j in range(n_genes)),
        delta=truth + rng.normal(size=truth.shape) / np.sqrt(n_cells) - control_error,
        n_cells=np.full(n, n_cells),
        control_mean=np.ones(n_genes),
        variance=rng.chisquare(n_cells - 1, size=truth.shape) / (n_cells - 1),
        contexts=ContextTable(
            names=("all",),
            n_perturbed=np.full((n, 1), n_cells),
            n_control=np.array([CONTROL_CELLS]),
            control_mean=np.ones((1, n_genes)),
            control_variance=np.ones((1, n_genes)),
        ),
    )


def predicted(delta: np.ndarray, effects: Effects, *, model: str) -> Prediction:
    n = len(delta)
    return Prediction(
        perturbations=effects.perturbations[:n],
        genes=effects.genes,
        delta=delta,
        status=("predicted",) * n,
        detail=("",) * n,
        model=model,
    )


def screen(seed: int, *, own: float, n_test: int, n_train: int = 20, n_cells: int = 40):
    """Effects (test rows first), their truth, and a technical duplicate: halves of the cells on either side."""
    rng = np.random.default_rng(seed)
    n = n_test + n_train
    strength = own * rng.lognormal(0, 0.5, size=(n, 1))
    shared = np.random.default_rng(99).normal(0, 0.15, size=N_GENES) * (own > 0)
    truth = shared + strength * rng.normal(size=(n, N_GENES))
    error = rng.normal(size=N_GENES) / np.sqrt(CONTROL_CELLS)
    halves = [measured(truth, rng, n_cells=n_cells // 2, control_error=error) for _ in range(2)]
    whole = measured(truth, rng, n_cells=n_cells, control_error=error)
    # All cells are the two halves together.
    both = Effects(**{**vars_of(whole), "delta": (halves[0].delta + halves[1].delta) / 2})
    return both, halves, truth, rng


def vars_of(effects: Effects) -> dict:
    names = ("perturbations", "genes", "delta", "n_cells", "control_mean", "variance", "contexts")
    return {name: getattr(effects, name) for name in names}


def scored(effects: Effects, halves, models: dict[str, np.ndarray], *, n_test: int, metrics=None) -> ScoreTable:
    names = effects.perturbations
    test, train = names[:n_test], names[n_test:]
    scorer = Scorer(effects, test, train=train)
    clouds = PredictedCells(n_cells=np.full(n_test, ORACLE_CELLS), variance=np.ones((n_test, N_GENES)))
    tables = [
        scorer.score(predicted(d, effects, model=m), metrics=metrics, cells=clouds if m == "oracle" else None)
        for m, d in models.items()
    ]
    if halves is not None:
        twin = Scorer(halves[1], test, train=train)
        tables.append(twin.score(predicted(halves[0].delta[:n_test], effects, model=DUPLICATE), metrics=metrics))
    return ScoreTable.join(tables)


def no_effect(n_screens: int) -> list[dict]:
    found: dict[str, list[float]] = {}
    chance: dict[str, list[float]] = {}
    for seed in range(n_screens):
        effects, halves, _, _ = screen(seed, own=0.0, n_test=24)
        mean = np.tile(effects.delta[24:].mean(axis=0), (24, 1))
        table = scored(effects, halves, {"mean": mean}, n_test=24)
        for row in calibrate(table, negative="mean", n_resamples=100).to_dict("records"):
            if row["origin"] in ("halves", "data") and not np.isnan(row["chance"]) and np.isfinite(row["ceiling"]):
                found.setdefault(row["metric"], []).append(row["ceiling"])
                chance.setdefault(row["metric"], []).append(row["negative"])
    rows = []
    for metric, values in found.items():
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        rows.append(
            {
                "no effect, ceiling of": metric,
                "screens": len(values),
                "chance": METRICS[metric].chance,
                "training mean": float(np.mean(chance[metric])),
                "ceiling": float(np.mean(values)),
                "standard error": float(error),
            }
        )
    return rows


def near_oracle(n_screens: int) -> list[dict]:
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for seed in range(n_screens):
        n = 60
        effects, halves, truth, rng = screen(seed, own=0.08, n_test=n)
        mean = np.tile(effects.delta[n:].mean(axis=0), (n, 1))
        own = truth[:n] - truth[:n].mean(axis=0)
        noise = rng.normal(size=own.shape)
        models = {
            # Cells of a good generative model: right on average, noisy because they are few.
            "oracle": mean + own + noise / np.sqrt(ORACLE_CELLS),
            "ridge": mean + 0.5 * own + 0.07 * rng.normal(size=own.shape),
            "mean": mean,
        }
        table = scored(effects, halves, models, n_test=n)
        raw = summarize(table, n_resamples=100).set_index(["model", "metric"])["mean"]
        shown = (*HEADLINE, "mse_unbiased")
        skill = headline(table, baselines=["mean"], metrics=shown, n_resamples=100).set_index(["model", "metric"])[
            "skill"
        ]
        for model in models:
            found.setdefault((model, "rmse"), []).append((raw[model, "rmse"], np.nan))
            for metric in shown:
                found.setdefault((model, metric), []).append((raw[model, metric], skill[model, metric]))
    return [
        {
            "near-oracle, model": model,
            "metric": metric,
            "mean": float(np.mean([v[0] for v in values])),
            "skill": float(np.mean([v[1] for v in values])),
        }
        for (model, metric), values in found.items()
    ]


def covered(n_screens: int) -> list[dict]:
    """The truth of a screen is the mean over 1,200 more perturbations of it, under the same model and the same controls."""
    n, more, n_train = 40, 1_200, 20
    hits: dict[str, list[bool]] = {metric: [] for metric in HEADLINE}
    truths: dict[str, list[float]] = {metric: [] for metric in HEADLINE}
    for seed in range(n_screens):
        effects, _, truth, rng = screen(10_000 + seed, own=0.1, n_test=n + more, n_train=n_train)
        mean = effects.delta[n + more :].mean(axis=0)
        pred = mean + 0.5 * (truth - mean) + 0.08 * rng.normal(size=truth.shape)
        train = effects.perturbations[n + more :]

        def means(
            rows: slice, *, intervals: bool, effects=effects, pred=pred, train=train, seed=seed
        ) -> dict[str, dict]:
            names = effects.perturbations[rows]
            own = Prediction(
                perturbations=names,
                genes=effects.genes,
                delta=pred[rows],
                status=("predicted",) * len(names),
                detail=("",) * len(names),
                model="model",
            )
            table = Scorer(effects, names, train=train).score(own, metrics=HEADLINE)
            frame = summarize(table, n_resamples=1000 if intervals else 100, seed=seed)
            return frame.set_index("metric").to_dict("index")

        seen, known = means(slice(0, n), intervals=True), means(slice(n, n + more), intervals=False)
        for metric in HEADLINE:
            value = known[metric]["mean"]
            hits[metric].append(seen[metric]["low"] <= value <= seen[metric]["high"])
            truths[metric].append(value)
    return [
        {
            "coverage of 95 % interval": metric,
            "screens": len(found),
            "truth": float(np.mean(truths[metric])),
            "covered": float(np.mean(found)),
        }
        for metric, found in hits.items()
    ]
