"""The one table of metrics. A new metric is one function in its file and one line here; the law suite picks it up."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING

from ._cells import edistance, mmd_rbf, sinkhorn_div
from ._de import (
    de_auprc,
    de_auroc,
    de_direction_match,
    de_lfc_nmae,
    de_lfc_spearman,
    de_overlap,
    de_precision,
    de_sig_jaccard,
    de_sig_recall,
)
from ._discrimination import centroid_accuracy, pds, rank
from ._error import mae, mse_unbiased, rmse, rmse_excess, rmse_floor
from ._gene_sets import on_degs, on_set
from ._kinds import UNIT, change, coverage, discrimination, distribution, error, explained, limit, shape
from ._metric import Metric
from ._shape import (
    cosine_delta,
    pearson_delta,
    pearson_delta_ceiling,
    pearson_delta_denoised,
    pearson_delta_pert,
    pearson_delta_pert_ceiling,
    pearson_delta_pert_denoised,
    spearman_delta,
)
from ._top import TOP_SIZES, on_top
from ._uncertainty import coverage_at, crps, rho_unc_error
from ._weighted import r2_delta, r2_delta_pert, weighted_r2_delta_pert, wmse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ._metric import Aligned

__all__ = ["ALIASES", "HEADLINE", "METRICS"]


def _errors() -> tuple[Metric, ...]:
    return (
        error("rmse", "RMSE of Δ", rmse, ceiling="rmse_floor"),
        limit("rmse_floor", "RMSE from sampling alone", rmse_floor, best=0.0, worst=inf, unit=UNIT, needs=("noise",)),
        error("rmse_excess", "RMSE of Δ beyond sampling noise", rmse_excess, needs=("noise",), ceiling="best"),
        error(
            "mse_unbiased",
            "Squared error of Δ less sampling noise",
            mse_unbiased,
            needs=("noise",),
            ceiling="best",
            degree=2,
            unbiased=True,
        ),
        error("mae", "Mean absolute error of Δ", mae),
        error("wmse", "Squared error weighted to the genes that stand out", wmse, needs=("rest",), degree=2),
        *(
            error(
                f"rmse_top{k}",
                f"RMSE of Δ over the {k} genes moved most",
                on_top(rmse, k=k),
                needs=("strength",),
                top=k,
            )
            for k in TOP_SIZES
        ),
    )


def _with_denoised(metric: Metric, compute: Callable[[Aligned], NDArray[np.float64]]) -> tuple[Metric, Metric]:
    """Return a metric and the one that says the same without the sampling noise of predicted cells."""
    name, title = f"{metric.name}_denoised", f"{metric.title}, without the sampling of predicted cells"
    return replace(metric, denoised=name), replace(metric, name=name, title=title, compute=compute, symmetric=False)


def _shapes() -> tuple[Metric, ...]:
    return (
        *_with_denoised(
            shape("pearson_delta", "Pearson of Δ, against control", pearson_delta, ceiling="pearson_delta_ceiling"),
            pearson_delta_denoised,
        ),
        limit(
            "pearson_delta_ceiling",
            "Pearson of Δ that a perfect prediction reaches",
            pearson_delta_ceiling,
            best=1.0,
            worst=-1.0,
            needs=("noise",),
        ),
        shape("spearman_delta", "Spearman of Δ, against control", spearman_delta),
        shape("cosine_delta", "Cosine of Δ, against control", cosine_delta),
        *(
            shape(
                f"pearson_delta_top{k}",
                f"Pearson of Δ over the {k} genes moved most",
                on_top(pearson_delta, k=k),
                needs=("strength",),
                top=k,
            )
            for k in TOP_SIZES
        ),
        shape(
            "pearson_delta_degs",
            "Pearson of Δ over the significant genes",
            on_degs(pearson_delta),
            needs=("contrast",),
        ),
        *(
            shape(f"pearson_delta_{name}", title, on_set(pearson_delta, name=name), needs=("gene_sets",))
            for name, title in (
                ("expressed", "Pearson of Δ over the 1,000 genes expressed most in controls"),
                ("variable", "Pearson of Δ over the 1,000 genes most variable in controls"),
            )
        ),
        explained("r2_delta", "Variance of Δ explained, against control", r2_delta),
    )


def _shapes_against_mean() -> tuple[Metric, ...]:
    return (
        *_with_denoised(
            shape(
                "pearson_delta_pert",
                "Pearson of Δ, against the mean of training perturbations",
                pearson_delta_pert,
                reference="training mean",
                needs=("train_mean",),
                ceiling="pearson_delta_pert_ceiling",
            ),
            pearson_delta_pert_denoised,
        ),
        limit(
            "pearson_delta_pert_ceiling",
            "Pearson against the training mean that a perfect prediction reaches",
            pearson_delta_pert_ceiling,
            best=1.0,
            worst=-1.0,
            needs=("noise", "train_mean"),
        ),
        shape(
            "pearson_delta_pert_top50",
            "Pearson against the training mean over the 50 genes moved most",
            on_top(pearson_delta_pert, k=50),
            reference="training mean",
            needs=("train_mean", "strength"),
            top=50,
        ),
        shape(
            "pearson_delta_pert_degs",
            "Pearson against the training mean over the significant genes",
            on_degs(pearson_delta_pert),
            reference="training mean",
            needs=("train_mean", "contrast"),
        ),
        explained(
            "r2_delta_pert",
            "Variance explained, against the training mean",
            r2_delta_pert,
            reference="training mean",
            needs=("train_mean",),
        ),
        explained(
            "weighted_r2_delta_pert",
            "Variance explained against the training mean, weighted to the genes that stand out",
            weighted_r2_delta_pert,
            reference="training mean",
            needs=("train_mean", "rest"),
        ),
    )


def _discriminations() -> tuple[Metric, ...]:
    cosine, euclid = pds(lambda pair: pair.by_cosine), pds(lambda pair: pair.by_euclid)
    back_cosine, back_euclid = rank(lambda pair: pair.back_by_cosine), rank(lambda pair: pair.back_by_euclid)
    blocks = pds(lambda pair: pair.by_blocks)
    return (
        discrimination("pds_cosine", "Discrimination by cosine distance", cosine, pred_scale_free=True),
        discrimination("pds_l2", "Discrimination by Euclidean distance", euclid, pred_scale_free=False),
        discrimination("pds_l1", "Discrimination by absolute distance", blocks, pred_scale_free=False),
        discrimination("centroid_accuracy", "Centroid accuracy", centroid_accuracy(), pred_scale_free=False),
        discrimination(
            "rank_cosine",
            "Rank of the own prediction by cosine",
            back_cosine,
            pred_scale_free=True,
            lower_is_better=True,
        ),
        discrimination(
            "rank_rmse",
            "Rank of the own prediction by RMSE",
            back_euclid,
            pred_scale_free=False,
            lower_is_better=True,
        ),
    )


def _changes() -> tuple[Metric, ...]:
    return (
        change("de_auroc", "Significant genes found, area under ROC", de_auroc, chance=0.5, pred_scale_free=True),
        change("de_auprc", "Significant genes found, average precision", de_auprc, pred_scale_free=True),
        change("de_overlap_at_n", "Significant genes shared, of the real ones", de_overlap(None)),
        change("de_overlap_at_50", "Significant genes shared, of the 50 largest real ones", de_overlap(50), top=50),
        change("de_precision_at_n", "Significant genes shared, of the predicted ones", de_precision(None)),
        change(
            "de_precision_at_50",
            "Significant genes shared, of the 50 largest predicted ones",
            de_precision(50),
            top=50,
        ),
        change("de_sig_jaccard", "Significant genes, intersection over union", de_sig_jaccard, symmetric=True),
        change("de_sig_recall", "Significant genes also called on the prediction", de_sig_recall),
        change(
            "de_direction_match",
            "Significant genes that change the right way",
            de_direction_match,
            chance=0.5,
            pred_scale_free=True,
        ),
        change(
            "de_lfc_spearman",
            "Spearman of the change of significant genes",
            de_lfc_spearman,
            ends=(-1.0, 1.0),
            chance=0.0,
            pred_scale_free=True,
        ),
        change("de_lfc_nmae", "Error of the change of significant genes over its size", de_lfc_nmae, ends=(inf, 0.0)),
    )


def _clouds() -> tuple[Metric, ...]:
    return (
        distribution("edistance", "Energy distance of cells", edistance, degree=1, unbiased=True, unit="PC units"),
        distribution("mmd_rbf", "Maximum mean discrepancy of cells", mmd_rbf, degree=0, unbiased=True),
        distribution(
            "sinkhorn_div", "Sinkhorn divergence of cells", sinkhorn_div, degree=2, unbiased=False, unit="PC units²"
        ),
    )


def _uncertainties() -> tuple[Metric, ...]:
    return (
        *(
            coverage(
                f"picp_{percent}",
                f"Real values inside the {percent} % interval",
                coverage_at(percent / 100),
                level=percent / 100,
            )
            for percent in (50, 90)
        ),
        Metric(
            name="crps",
            title="Continuous ranked probability score of Δ",
            compute=crps,
            family="uncertainty",
            best=0.0,
            worst=inf,
            degree=1,
            unit=UNIT,
        ),
        Metric(
            name="rho_unc_error",
            title="Spearman of interval width and error over genes",
            compute=rho_unc_error,
            family="uncertainty",
            best=1.0,
            worst=-1.0,
            needs=("bounds",),
        ),
    )


def _listed() -> tuple[Metric, ...]:
    return (
        *_errors(),
        *_shapes(),
        *_shapes_against_mean(),
        *_discriminations(),
        *_changes(),
        *_clouds(),
        *_uncertainties(),
    )


METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _listed()})

# What a reader sees first: size of the error, shape against both references, and whether perturbations can be told apart.
HEADLINE = ("rmse_excess", "pearson_delta", "pearson_delta_pert", "pds_cosine")

# Names under which other evaluators know a metric of ours: cell-eval, cell-eval2, scPertEval, PerturBench, Systema.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "centroid_accuracies": "centroid_accuracy",
        "de_wilcoxon_direction_match": "de_direction_match",
        "de_wilcoxon_lfc_nmae": "de_lfc_nmae",
        "de_wilcoxon_lfc_spearman": "de_lfc_spearman",
        "de_wilcoxon_pr_auc": "de_auprc",
        "de_wilcoxon_roc_auc": "de_auroc",
        "de_wilcoxon_sig_jaccard": "de_sig_jaccard",
        "de_wilcoxon_sig_recall": "de_sig_recall",
        "delta_mae": "mae",
        "delta_pearson": "pearson_delta",
        "discrimination_score_cosine": "pds_cosine",
        "discrimination_score_l1": "pds_l1",
        "discrimination_score_l2": "pds_l2",
        "energy_distance": "edistance",
        "expr_mae": "mae",
        "expr_mse_unbiased": "mse_unbiased",
        "nir": "pds_l2",
        "overlap_at_N": "de_overlap_at_n",
        "pearson_ctrl": "pearson_delta",
        "pearson_pert": "pearson_delta_pert",
        "pr_auc": "de_auprc",
        "precision_at_N": "de_precision_at_n",
        "r2_ctrl": "r2_delta",
        "r2_pert": "r2_delta_pert",
        "rank": "rank_rmse",
        "roc_auc": "de_auroc",
        "unbiased_mmd_median": "mmd_rbf",
        "weighted_r2_pert_exp2": "weighted_r2_delta_pert",
        "wmse_exp2": "wmse",
    }
)
