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
from ._score import Scorer, score
from ._summary import summarize
from ._table import ALIASES, HEADLINE, METRICS
from ._welch import Contrast, PredictedCells, contrast_of_profile, contrast_of_real

__all__ = [
    "ALIASES",
    "DUPLICATE",
    "HEADLINE",
    "METRICS",
    "Aligned",
    "Contrast",
    "Metric",
    "PredictedCells",
    "Scorer",
    "calibrate",
    "compare",
    "contrast_of_profile",
    "contrast_of_real",
    "headline",
    "read_scores",
    "score",
    "summarize",
    "to_frame",
    "write_scores",
]
