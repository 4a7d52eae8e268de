"""How good a prediction is, against the noise of the data, against baselines, with intervals.

Takes: predictions, real effects and the names of the training perturbations.
Gives: one score per perturbation and metric in long form; means with intervals; paired comparisons; ceilings; warnings; files.
Depends on: numpy, scipy, pandas, pyarrow.
"""

from __future__ import annotations

from ._ceiling import DUPLICATE, calibrate
from ._compare import compare
from ._files import read_scores, to_frame, write_scores
from ._headline import headline
from ._metric import Aligned, Metric
from ._profiles import PROFILES, metrics_of_profile
from ._referee import controls_differ, referee, targets_drive
from ._score import Scorer, score
from ._summary import summarize
from ._table import ALIASES, HEADLINE, METRICS
from ._welch import Contrast, PredictedCells, adjust_calls, contrast_of_profile, contrast_of_real
from ._wilcoxon import contrast_of_ranks, rank_test

__all__ = [
    "ALIASES",
    "DUPLICATE",
    "HEADLINE",
    "METRICS",
    "PROFILES",
    "Aligned",
    "Contrast",
    "Metric",
    "PredictedCells",
    "Scorer",
    "adjust_calls",
    "calibrate",
    "compare",
    "contrast_of_profile",
    "contrast_of_ranks",
    "contrast_of_real",
    "controls_differ",
    "headline",
    "metrics_of_profile",
    "rank_test",
    "read_scores",
    "referee",
    "score",
    "summarize",
    "targets_drive",
    "to_frame",
    "write_scores",
]
