"""Ceilings, skill and intervals on simulated screens whose truth is known.

*No effect*: 50 screens of 24 perturbations that do nothing (40 cells each, 80 genes, a million controls, whose shared error would be an effect
of its own): mean over screens of each ceiling, with its standard error, beside chance. *With effects*: 20 screens of weak and of clear effects: ceilings beside
what the true Δ scores. *Near-oracle*: 10 screens of 60 test perturbations; three models: 50 cells
drawn around the truth (oracle), half of the truth with a little error (ridge), the training mean; raw score and skill of each. *Coverage*: 500 screens of 40 test perturbations; how often
the 95 % interval of a headline mean holds the mean over 1,200 more perturbations of the same screen.
"""

from __future__ import annotations

import numpy as np

from perturbridge.evaluation import HEADLINE, METRICS, PredictedCells, Scorer, calibrate, headline, summarize
from perturbridge.pipeline._duplicate import score_duplicate
from perturbridge.values import ContextTable, Effects, Prediction, ScoreTable, as_names

N_GENES = 80
CONTROL_CELLS = 4_000
MANY_CONTROLS = 1_000_000
ORACLE_CELLS = 50


def run(*, quick: bool) -> list[dict]:
    effects = with_effects(2 if quick else 20)
    return [*no_effect(5 if quick else 50), *effects, *near_oracle(2 if quick else 10), *covered(20 if quick else 500)]


def measured(
    truth: np.ndarray, rng: np.random.Generator, *, n_cells: int = 40, n_control: int, control_error: np.ndarray
) -> Effects:
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
            n_control=np.array([n_control]),
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


def screen(seed: int, *, own: float, n_test: int, n_train: int = 20, n_cells: int = 40, n_control: int = CONTROL_CELLS):
    """Effects (test rows first), their truth, and a technical duplicate: halves of the cells on either side."""
    rng = np.random.default_rng(seed)
    n = n_test + n_train
    strength = own * rng.lognormal(0, 0.5, size=(n, 1))
    shared = np.random.default_rng(99).normal(0, 0.15, size=N_GENES) * (own > 0)
    truth = shared + strength * rng.normal(size=(n, N_GENES))
    error = rng.normal(size=N_GENES) / np.sqrt(n_control)
    halves = [measured(truth, rng, n_cells=n_cells // 2, n_control=n_control, control_error=error) for _ in range(2)]
    whole = measured(truth, rng, n_cells=n_cells, n_control=n_control, control_error=error)
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
        tables.append(score_duplicate(tuple(halves), test, train=train, metrics=metrics))
    return ScoreTable.join(tables)


def ceilings(n_screens: int, *, own: float) -> dict[str, np.ndarray]:
    """Of each metric with a chance value, by screen: its ceiling, what the training mean scores, and what the true Δ scores."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(n_screens):
        n = 24
        effects, halves, truth, _ = screen(seed, own=own, n_test=n, n_control=MANY_CONTROLS)
        mean = np.tile(effects.delta[n:].mean(axis=0), (n, 1))
        table = scored(effects, halves, {"mean": mean, "perfect": truth[:n]}, n_test=n)
        perfect = summarize(table, n_resamples=100).set_index(["model", "metric"])["mean"]["perfect"]
        for row in calibrate(table, negative="mean", n_resamples=100).to_dict("records"):
            if row["origin"] in ("halves", "data") and not np.isnan(row["chance"]) and np.isfinite(row["ceiling"]):
                values = row["ceiling"], row["negative"], perfect[row["metric"]]
                found.setdefault(row["metric"], []).append(values)
    return {metric: np.array(values) for metric, values in found.items()}


def _error(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def no_effect(n_screens: int) -> list[dict]:
    return [
        {
            "no effect, ceiling of": metric,
            "screens": len(values),
            "chance": METRICS[metric].chance,
            "training mean": float(values[:, 1].mean()),
            "ceiling": float(values[:, 0].mean()),
            "standard error": _error(values[:, 0]),
        }
        for metric, values in ceilings(n_screens, own=0.0).items()
    ]


def with_effects(n_screens: int) -> list[dict]:
    return [
        {
            f"{word} effects, ceiling of": metric,
            "screens": len(values),
            "ceiling": float(values[:, 0].mean()),
            "true Δ scores": float(values[:, 2].mean()),
            "ceiling less that": float((values[:, 0] - values[:, 2]).mean()),
            "standard error": _error(values[:, 0] - values[:, 2]),
        }
        for word, own in (("weak", 0.08), ("clear", 0.15))
        for metric, values in ceilings(n_screens, own=own).items()
    ]


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
