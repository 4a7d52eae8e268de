"""The one table of metrics. A new metric is one function in its file and one line here; the law suite picks it up."""

from __future__ import annotations

from math import inf, nan
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from ._discrimination import centroid_accuracy, pds_cosine, pds_l1, pds_l2
from ._error import mae, rmse, rmse_excess, rmse_floor
from ._metric import Metric
from ._shape import (
    cosine_delta,
    pearson_delta,
    pearson_delta_ceiling,
    pearson_delta_pert,
    pearson_delta_pert_ceiling,
    spearman_delta,
)
from ._top import TOP_SIZES, on_top

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ._metric import Aligned

    Compute = Callable[[Aligned], NDArray[np.float64]]

__all__ = ["HEADLINE", "METRICS"]

_UNIT = "log1p-CP10k"


def _error(name: str, title: str, compute: Compute, *, needs: tuple[str, ...] = (), ceiling: str = "") -> Metric:
    return Metric(
        name=name,
        title=title,
        compute=compute,
        family="error",
        best=0.0,
        worst=inf,
        chance=nan,
        symmetric="strength" not in needs,
        degree=1,
        pred_scale_free=False,
        reference="none",
        unit=_UNIT,
        needs=needs,
        ceiling=ceiling,
    )


def _shape(
    name: str,
    title: str,
    compute: Compute,
    *,
    reference: Literal["control", "training mean"] = "control",
    needs: tuple[str, ...] = (),
    ceiling: str = "",
) -> Metric:
    return Metric(
        name=name,
        title=title,
        compute=compute,
        family="shape",
        best=1.0,
        worst=-1.0,
        chance=0.0,
        symmetric="strength" not in needs,
        degree=0,
        pred_scale_free=reference == "control",
        reference=reference,
        needs=needs,
        ceiling=ceiling,
    )


def _discrimination(name: str, title: str, compute: Compute, *, pred_scale_free: bool) -> Metric:
    return Metric(
        name=name,
        title=title,
        compute=compute,
        family="discrimination",
        best=1.0,
        worst=0.0,
        chance=0.5,
        symmetric=False,
        degree=0,
        pred_scale_free=pred_scale_free,
        reference="control",
        needs=("panel",),
    )


def _limit(
    name: str, title: str, compute: Compute, *, best: float, worst: float, unit: str = "", needs: tuple[str, ...]
) -> Metric:
    return Metric(
        name=name,
        title=title,
        compute=compute,
        family="limit",
        best=best,
        worst=worst,
        chance=nan,
        symmetric=False,
        degree=1 if unit else 0,
        pred_scale_free=True,
        reference="none",
        unit=unit,
        needs=needs,
    )


def _listed() -> tuple[Metric, ...]:
    return (
        _error("rmse", "RMSE of Δ", rmse, ceiling="rmse_floor"),
        _limit("rmse_floor", "RMSE from sampling alone", rmse_floor, best=0.0, worst=inf, unit=_UNIT, needs=("noise",)),
        _error("rmse_excess", "RMSE of Δ beyond sampling noise", rmse_excess, needs=("noise",), ceiling="best"),
        _error("mae", "Mean absolute error of Δ", mae),
        _shape("pearson_delta", "Pearson of Δ, against control", pearson_delta, ceiling="pearson_delta_ceiling"),
        _limit(
            "pearson_delta_ceiling",
            "Pearson of Δ that a perfect prediction reaches",
            pearson_delta_ceiling,
            best=1.0,
            worst=0.0,
            needs=("noise",),
        ),
        _shape(
            "pearson_delta_pert",
            "Pearson of Δ, against the mean of training perturbations",
            pearson_delta_pert,
            reference="training mean",
            needs=("train_mean",),
            ceiling="pearson_delta_pert_ceiling",
        ),
        _limit(
            "pearson_delta_pert_ceiling",
            "Pearson against the training mean that a perfect prediction reaches",
            pearson_delta_pert_ceiling,
            best=1.0,
            worst=0.0,
            needs=("noise", "train_mean"),
        ),
        _shape("spearman_delta", "Spearman of Δ, against control", spearman_delta),
        _shape("cosine_delta", "Cosine of Δ, against control", cosine_delta),
        *(
            _shape(
                f"pearson_delta_top{k}",
                f"Pearson of Δ over the {k} genes moved most",
                on_top(pearson_delta, k=k),
                needs=("strength",),
            )
            for k in TOP_SIZES
        ),
        *(
            _error(f"rmse_top{k}", f"RMSE of Δ over the {k} genes moved most", on_top(rmse, k=k), needs=("strength",))
            for k in TOP_SIZES
        ),
        _discrimination("pds_cosine", "Discrimination by cosine distance", pds_cosine, pred_scale_free=True),
        _discrimination("pds_l2", "Discrimination by Euclidean distance", pds_l2, pred_scale_free=False),
        _discrimination("pds_l1", "Discrimination by absolute distance", pds_l1, pred_scale_free=False),
        _discrimination("centroid_accuracy", "Centroid accuracy", centroid_accuracy, pred_scale_free=False),
    )


METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _listed()})

# What a reader sees first: size of the error, shape against both references, and whether perturbations can be told apart.
HEADLINE = ("rmse_excess", "pearson_delta", "pearson_delta_pert", "pds_cosine")
