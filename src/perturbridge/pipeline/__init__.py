"""Where the rooms meet: configuration, runs, cross-validation, predictions from a run folder.

Takes: paths and settings.
Gives: records, and run folders that appear whole or not at all.
Depends on: every room, pydantic.
"""

from __future__ import annotations

from ._align import AlignedLatent, align_data
from ._align_files import alignment_frame, alignment_section, write_alignment_folder
from ._align_words import alignment_sentences, alignment_table, plans_table
from ._audit import AuditedLatents, audit_data
from ._audit_files import audit_json, read_audit, write_audit
from ._audit_repair import repair_audited
from ._audit_report import audit_section
from ._audit_words import (
    checks_table,
    latents_table,
    meaning_for_transport,
    probes_table,
    repair_table,
    verdict_sentence,
)
from ._cell_files import cells_record, predict_cells, save_cells
from ._cell_level import CellLevel
from ._cell_scores import LevelComparison
from ._cell_words import cell_sentences
from ._compare_runs import RunComparison, compare_runs
from ._config import RunConfig, config_from_mapping, config_to_toml, read_config
from ._cross_validate import CrossValidation, cross_validate
from ._demo import write_demo_screen
from ._doctor import doctor
from ._embedding_files import build, convert, coverage_table, join, shipped_tables
from ._evaluate import Evaluation, evaluate
from ._evaluate_files import EvaluateConfig, evaluate_files, export_evaluation, write_evaluation
from ._export import write_cell_eval
from ._folder import check_folder
from ._inspect import inspect
from ._latent import diagnose_latent, encode_latent, fit_latent, read_latent_config
from ._manifest import json_ready
from ._predict import explain, load_model, predict
from ._run import Run, run
from ._separation_ladder import Climb, SeparationRung, climb_separations, separation_ladder
from ._summary import comparison_table, finding_line, headline_table, number, records, targets_sentence
from ._tables import write_table
from ._tasks import check_prediction_format, save_prediction, write_pseudobulk

__all__ = [
    "AlignedLatent",
    "AuditedLatents",
    "CellLevel",
    "Climb",
    "CrossValidation",
    "EvaluateConfig",
    "Evaluation",
    "LevelComparison",
    "Run",
    "RunComparison",
    "RunConfig",
    "SeparationRung",
    "align_data",
    "alignment_frame",
    "alignment_section",
    "alignment_sentences",
    "alignment_table",
    "audit_data",
    "audit_json",
    "audit_section",
    "build",
    "cell_sentences",
    "cells_record",
    "check_folder",
    "check_prediction_format",
    "checks_table",
    "climb_separations",
    "compare_runs",
    "comparison_table",
    "config_from_mapping",
    "config_to_toml",
    "convert",
    "coverage_table",
    "cross_validate",
    "diagnose_latent",
    "doctor",
    "encode_latent",
    "evaluate",
    "evaluate_files",
    "explain",
    "export_evaluation",
    "finding_line",
    "fit_latent",
    "headline_table",
    "inspect",
    "join",
    "json_ready",
    "latents_table",
    "load_model",
    "meaning_for_transport",
    "number",
    "plans_table",
    "predict",
    "predict_cells",
    "probes_table",
    "read_audit",
    "read_config",
    "read_latent_config",
    "records",
    "repair_audited",
    "repair_table",
    "run",
    "save_cells",
    "save_prediction",
    "separation_ladder",
    "shipped_tables",
    "targets_sentence",
    "verdict_sentence",
    "write_alignment_folder",
    "write_audit",
    "write_cell_eval",
    "write_demo_screen",
    "write_evaluation",
    "write_pseudobulk",
    "write_table",
]
