"""Frozen records that travel between rooms.

Takes: arrays and names.
Gives: records checked at construction, with documented axes and units.
Depends on: numpy.
"""

from __future__ import annotations

from ._aliases import GeneAliases, ensembl_stem
from ._alignment import Alignment, Displacement
from ._alignment_reports import DisplacementReport, PlanReport
from ._audit import VERDICTS, AuditReport, Check, Verdict
from ._decoder import Decoder
from ._effects import ContextTable, Effects, OtherControls
from ._embedding import EmbeddingCard, GeneEmbedding, Located
from ._embedding_parts import pack_embedding, unpack_embedding
from ._findings import Finding
from ._labels import as_labels, control_cells
from ._latent import FittedStep, Latent
from ._maps import AffineMap, CellMap, NearestMap, SoftMap
from ._names import CONTROL, PerturbationName, as_names
from ._predicted_cells import PredictedCells
from ._prediction import STATUSES, Prediction
from ._scores import ScoreTable
from ._screen import (
    CONTROL_CODE,
    UNASSIGNED_CODE,
    CountSource,
    Labels,
    Normalization,
    RowChunk,
    RowRange,
    Screen,
    part_of,
)
from ._split import Fold, Split

__all__ = [
    "CONTROL",
    "CONTROL_CODE",
    "STATUSES",
    "UNASSIGNED_CODE",
    "VERDICTS",
    "AffineMap",
    "Alignment",
    "AuditReport",
    "CellMap",
    "Check",
    "ContextTable",
    "CountSource",
    "Decoder",
    "Displacement",
    "DisplacementReport",
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
    "NearestMap",
    "Normalization",
    "OtherControls",
    "PerturbationName",
    "PlanReport",
    "PredictedCells",
    "Prediction",
    "RowChunk",
    "RowRange",
    "ScoreTable",
    "Screen",
    "SoftMap",
    "Split",
    "Verdict",
    "as_labels",
    "as_names",
    "control_cells",
    "ensembl_stem",
    "pack_embedding",
    "part_of",
    "unpack_embedding",
]
