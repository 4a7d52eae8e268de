"""Frozen records that travel between rooms.

Takes: arrays and names.
Gives: records checked at construction, with documented axes and units.
Depends on: numpy.
"""

from __future__ import annotations

from ._aliases import GeneAliases, ensembl_stem
from ._audit import VERDICTS, AuditReport, Check, Verdict
from ._effects import ContextTable, Effects
from ._embedding import EmbeddingCard, GeneEmbedding, Located
from ._findings import Finding
from ._latent import FittedStep, Latent
from ._names import CONTROL, PerturbationName, as_names
from ._prediction import STATUSES, Prediction
from ._scores import ScoreTable
from ._screen import CONTROL_CODE, UNASSIGNED_CODE, CountSource, Labels, Normalization, RowChunk, Screen
from ._split import Fold, Split

__all__ = [
    "CONTROL",
    "CONTROL_CODE",
    "STATUSES",
    "UNASSIGNED_CODE",
    "VERDICTS",
    "AuditReport",
    "Check",
    "ContextTable",
    "CountSource",
    "Effects",
    "EmbeddingCard",
    "Finding",
    "FittedStep",
    "Fold",
    "GeneAliases",
    "GeneEmbedding",
    "Labels",
    "Latent",
    "Located",
    "Normalization",
    "PerturbationName",
    "Prediction",
    "RowChunk",
    "ScoreTable",
    "Screen",
    "Split",
    "Verdict",
    "as_names",
    "ensembl_stem",
]
