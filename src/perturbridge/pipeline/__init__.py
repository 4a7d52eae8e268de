"""Where the rooms meet: configuration, runs, cross-validation, predictions from a run folder.

Takes: paths and settings.
Gives: records, and run folders that appear whole or not at all.
Depends on: every room, pydantic.
"""

from __future__ import annotations

from ._config import RunConfig, config_from_mapping, config_to_toml, read_config
from ._cross_validate import CrossValidation, cross_validate
from ._demo import write_demo_screen
from ._embedding_files import build, convert, coverage_table, shipped_tables
from ._evaluate import evaluate
from ._folder import check_folder
from ._manifest import json_ready
from ._predict import load_model, predict
from ._run import Run, run
from ._summary import comparison_table, finding_line, headline_table, targets_sentence
from ._tasks import check_prediction_format, evaluate_files, inspect, save_prediction, write_pseudobulk

__all__ = [
    "CrossValidation",
    "Run",
    "RunConfig",
    "build",
    "check_folder",
    "check_prediction_format",
    "comparison_table",
    "config_from_mapping",
    "config_to_toml",
    "convert",
    "coverage_table",
    "cross_validate",
    "evaluate",
    "evaluate_files",
    "finding_line",
    "headline_table",
    "inspect",
    "json_ready",
    "load_model",
    "predict",
    "read_config",
    "run",
    "save_prediction",
    "shipped_tables",
    "targets_sentence",
    "write_demo_screen",
    "write_pseudobulk",
]
