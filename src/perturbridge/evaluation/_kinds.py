"""Facts that metrics of one family share, so that a line of the table states only what is its own."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from ._metric import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from ._metric import Aligned, Need, Reference

    Compute = Callable[[Aligned], NDArray[np.float64]]

__all__ = ["UNIT", "change", "coverage", "discrimination", "distribution", "error", "explained", "limit", "shape"]

UNIT = "log1p-CP10k"


def error(
    name: str,
    title: str,
    compute: Compute,
    *,
    needs: tuple[Need, ...] = (),
    ceiling: str = "",
    top: int = 0,
    degree: int = 1,
    unbiased: bool = False,
) -> Metric:
    """Return a distance between profiles: 0 is best, no end."""
    return Metric(
        name=name,
        title=title,
        compute=compute,
        family="error",
        best=0.0,
        worst=inf,
        symmetric=not {"strength", "rest"} & set(needs),
        degree=degree,
        unit=UNIT if degree == 1 else f"({UNIT})²",
        needs=needs,
        ceiling=ceiling,
        top=top,
        unbiased=unbiased,
    )


def shape(
    name: str,
    title: str,
    compute: Compute,
    *,
    reference: Reference = "control",
    needs: tuple[Need, ...] = (),
    ceiling: str = "",
    top: int = 0,
) -> Metric:
    """Return a correlation over genes: 1 is best, 0 knows nothing."""
    return Metric(
        name=name,
        title=title,
        compute=compute,
        family="shape",
        best=1.0,
        worst=-1.0,
        chance=0.0,
        symmetric=not {"strength", "contrast"} & set(needs),
        pred_scale_free=reference == "control",
        reference=reference,
        needs=needs,
        ceiling=ceiling,
        top=top,
    )


def explained(
    name: str,
    title: str,
    compute: Compute,
    *,
    reference: Reference = "control",
    needs: tuple[Need, ...] = (),
) -> Metric:
    """Return a share of variance over genes: 1 is best, no end below."""
    return Metric(
        name=name,
        title=title,
        compute=compute,
        family="shape",
        best=1.0,
        worst=-inf,
        reference=reference,
        needs=needs,
    )


def discrimination(
    name: str, title: str, sides: tuple[Compute, Compute], *, pred_scale_free: bool, lower_is_better: bool = False
) -> Metric:
    """Return a share of the other perturbations that are told apart: chance ½."""
    return Metric(
        name=name,
        title=title,
        compute=sides[0],
        as_rival=sides[1],
        family="discrimination",
        best=0.0 if lower_is_better else 1.0,
        worst=1.0 if lower_is_better else 0.0,
        chance=0.5,
        pred_scale_free=pred_scale_free,
        reference="control",
        needs=("panel",),
    )


def change(
    name: str,
    title: str,
    compute: Compute,
    *,
    ends: tuple[float, float] = (0.0, 1.0),
    chance: float = nan,
    symmetric: bool = False,
    pred_scale_free: bool = False,
    top: int = 0,
) -> Metric:
    """Return a metric of differential expression; `ends` are its worst and its best value."""
    return Metric(
        name=name,
        title=title,
        compute=compute,
        family="de",
        best=ends[1],
        worst=ends[0],
        chance=chance,
        symmetric=symmetric,
        pred_scale_free=pred_scale_free,
        reference="control",
        needs=("contrast",),
        top=top,
    )


def distribution(name: str, title: str, compute: Compute, *, degree: int, unbiased: bool, unit: str = "") -> Metric:
    """Return a distance between clouds of cells: 0 is best, no end."""
    return Metric(
        name=name,
        title=title,
        compute=compute,
        family="distribution",
        best=0.0,
        worst=inf,
        symmetric=True,
        degree=degree,
        unit=unit,
        needs=("cells",),
        unbiased=unbiased,
    )


def coverage(name: str, title: str, compute: Compute, *, level: float) -> Metric:
    """Return the share of real values inside an interval: right at its level."""
    return Metric(
        name=name,
        title=title,
        compute=compute,
        family="coverage",
        best=level,
        worst=0.0,
        needs=("bounds",),
    )


def limit(
    name: str, title: str, compute: Compute, *, best: float, worst: float, unit: str = "", needs: tuple[Need, ...]
) -> Metric:
    """Return a property of the data that bounds another metric."""
    return Metric(
        name=name,
        title=title,
        compute=compute,
        family="limit",
        best=best,
        worst=worst,
        degree=1 if unit else 0,
        pred_scale_free=True,
        unit=unit,
        needs=needs,
        counts_genes=not unit,
    )
