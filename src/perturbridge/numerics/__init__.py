"""Pure array kernels that two rooms or more need.

Takes: arrays.
Gives: arrays and small results; no records, no files.
Depends on: numpy, scipy.
"""

from __future__ import annotations

from ._association import cramers_v
from ._bootstrap import bca_interval, bootstrap_means, sign_flip_test, sum_by_cluster
from ._compiled import compiled
from ._energy import energy_distance
from ._grouped import group_means
from ._kernels import linear_kernel, median_squared_distance, rbf_kernel, squared_distances
from ._loo_ridge import LooRidge
from ._neighbors import nearest_rows
from ._pca import Pca, streaming_pca
from ._rows import l2_normalize, sum_rows

__all__ = [
    "LooRidge",
    "Pca",
    "bca_interval",
    "bootstrap_means",
    "compiled",
    "cramers_v",
    "energy_distance",
    "group_means",
    "l2_normalize",
    "linear_kernel",
    "median_squared_distance",
    "nearest_rows",
    "rbf_kernel",
    "sign_flip_test",
    "squared_distances",
    "streaming_pca",
    "sum_by_cluster",
    "sum_rows",
]
