"""Groups of metrics by the names that users of cell-eval and scPertEval know."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from perturbridge._checks import one_of

from ._score import metrics_named
from ._table import HEADLINE, METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PROFILES", "metrics_of_profile"]


def _of(*families: str) -> tuple[str, ...]:
    return tuple(name for name, metric in METRICS.items() if metric.family in families)


_MEANS = _of("error", "shape", "discrimination", "limit", "uncertainty", "coverage")
PROFILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "full": tuple(METRICS),
        "minimal": ("rmse", "rmse_floor", *HEADLINE, "pearson_delta_ceiling", "pearson_delta_pert_ceiling"),
        "pseudobulk": tuple(name for name in _MEANS if "contrast" not in METRICS[name].needs),
        "anndata": tuple(name for name in _MEANS if "contrast" not in METRICS[name].needs),
        "de": _of("de"),
        "distributional": _of("distribution"),
        "pds": _of("discrimination"),
        "vcc": ("mae", "pds_l1", "de_overlap_at_n"),
    }
)


def metrics_of_profile(profile: str, *, skip: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the metrics of a profile in the order of the table, without those to skip.

    Parameters
    ----------
    profile
        `"full"`, `"minimal"`, `"pseudobulk"` (alias `"anndata"`), `"de"`, `"distributional"`, `"pds"` or `"vcc"`.
    skip
        Names of metrics, ours or those of other evaluators.

    Raises
    ------
    DataError
        If the profile or a name is unknown.
    """
    wanted = PROFILES[one_of("profile", profile, tuple(PROFILES))]
    left_out = {metric.name for metric in metrics_named(skip)} if skip else set()
    return tuple(name for name in METRICS if name in wanted and name not in left_out)
