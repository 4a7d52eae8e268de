"""Every figure of the report as a function: values in, matplotlib Axes out.

Writes `figure_gallery.html`, one page with all of them, and each as a PNG beside it.
"""

# %% A small screen whose truth is known, a model, and its held-out predictions.
from pathlib import Path

import numpy as np

import perturbridge as pb
from perturbridge import plotting
from perturbridge.evaluation import HEADLINE, METRICS, contrast_of_real

source = pb.open_embedding("go_words")
screen = pb.simulate.screen(
    source, n_perturbations=40, n_genes=80, cells_per_perturbation=30, n_controls=200, seed=3
).screen
effects = pb.pseudobulk(screen)
result = pb.cross_validate(pb.EffectModel([source]), effects, folds=4, seed=0)
summary = result.summary().set_index(["metric", "model"])
scores = result.scores

fold = next(iter(result.predictions))
prediction = result.predictions[fold]
measured = effects.take(prediction.perturbations)
names = [str(p) for p in prediction.perturbations]


def by_perturbation(model: str, metric: str) -> dict[str, float]:
    rows = (scores.model == model) & (scores.metric == metric)
    return dict(zip(scores.perturbation[rows].tolist(), scores.value[rows].tolist(), strict=True))


# %% How good: one metric, all models; and one point for each perturbation.
figures = {}
for metric in HEADLINE:
    rows = summary.loc[metric]
    figures[f"forest_{metric}"] = plotting.plot_forest(
        list(rows.index),
        rows["mean"],
        lower=rows["low"],
        upper=rows["high"],
        title=METRICS[metric].title,
        higher_is_better=METRICS[metric].higher_is_better,
        highlight=result.model,
    )
ours, mean = by_perturbation(result.model, "rmse"), by_perturbation("mean", "rmse")
every = list(ours)
figures["paired"] = plotting.plot_paired(
    [ours[name] for name in every],
    [mean[name] for name in every],
    names=every,
    labels=(result.model, "mean"),
    title="RMSE",
    higher_is_better=False,
)

# %% Where it works: a score against the strength of the effect, and the strength against its noise.
size = {str(p): float(np.sqrt((d**2).mean())) for p, d in zip(effects.perturbations, effects.delta, strict=True)}
shape = by_perturbation(result.model, "pearson_delta")
figures["against"] = plotting.plot_against(
    [size[name] for name in every],
    [shape[name] for name in every],
    names=every,
    labels=("effect size (RMS Δ)", "pearson_delta"),
    title="Shape by strength",
)
figures["strength"] = plotting.plot_strength(effects)

# %% What it predicts: maps, then one perturbation gene by gene.
genes = np.argsort(-measured.delta.std(axis=0))[:16]
figures["heatmaps"], _ = plotting.plot_heatmaps(
    measured.delta[:, genes],
    prediction.delta[:, genes],
    rows=names,
    columns=[effects.genes[j] for j in genes],
)
figures["top_genes"] = plotting.plot_top_genes(
    prediction.delta[0], genes=effects.genes, title=names[0], measured=measured.delta[0]
)
figures["observed"] = plotting.plot_observed(
    measured.delta[0], prediction.delta[0], genes=effects.genes, title=names[0]
)
contrast = contrast_of_real(measured)
figures["volcano"] = plotting.plot_volcano(
    contrast.change[0], contrast.p[0], genes=effects.genes, significant=contrast.significant[0], title=names[0]
)
figures["coverage"] = plotting.plot_coverage([0.5, 0.9], [0.46, 0.88], title="Coverage of made-up intervals")

# %% All of them on one page; a figure is text, the same bytes for the same data.
page = "".join(f"<h2>{name}</h2>{plotting.figure_svg(ax)}" for name, ax in figures.items())
Path("figure_gallery.html").write_text(f"<!doctype html><meta charset='utf-8'>{page}", encoding="utf-8")
for name, ax in figures.items():
    ax.figure.savefig(f"figure_{name}.png", dpi=80)
assert len(figures) == 12
assert Path("figure_gallery.html").stat().st_size > 100_000
print(f"{len(figures)} figures in figure_gallery.html")

# Known limit: a map of more than about thirty perturbations and genes has labels too small to read; choose the rows to show.
