"""Read a screen, name its perturbations, sum it up.

Takes: h5ad, zarr, 10x, loom or text files, several of them as one screen, or an AnnData object.
Gives: a Screen whose rows are checked as they are read; effects, splits, files of all of them, simulated screens.
Depends on: values; h5py, scipy, pandas, anndata, numba.
"""

from __future__ import annotations

from . import simulate
from ._cells import Cells, canonical_labels, control_cells, open_cells
from ._describe import control_kinds_of, describe_screen
from ._log_rows import LogRows, log_rows
from ._read import open_source, read_screen
from .files._obsm import COORDINATE_SUFFIXES, read_coordinates
from .files._source_array import ArraySource
from .meaning._labels import LabelRule, parse_label
from .meaning._presets import PRESETS, Preset
from .saving._cells_write import cells_to_anndata, write_cells
from .saving._h5ad_write import write_anndata
from .saving._latents import read_latent, write_latent
from .saving._profiles_read import read_effects, read_prediction
from .saving._profiles_write import write_effects, write_prediction
from .saving._screen_write import write_screen
from .splitting._by_level import split_screen
from .splitting._by_similarity import nearest_training
from .splitting._splits import make_split
from .splitting._splits_io import read_split, write_split
from .splitting._trimmed import trim_split
from .summing._on_target import TargetChange, target_changes
from .summing._pseudobulk import forecast_pseudobulk, pseudobulk

__all__ = [
    "COORDINATE_SUFFIXES",
    "PRESETS",
    "ArraySource",
    "Cells",
    "LabelRule",
    "LogRows",
    "Preset",
    "TargetChange",
    "canonical_labels",
    "cells_to_anndata",
    "control_cells",
    "control_kinds_of",
    "describe_screen",
    "forecast_pseudobulk",
    "log_rows",
    "make_split",
    "nearest_training",
    "open_cells",
    "open_source",
    "parse_label",
    "pseudobulk",
    "read_coordinates",
    "read_effects",
    "read_latent",
    "read_prediction",
    "read_screen",
    "read_split",
    "simulate",
    "split_screen",
    "target_changes",
    "trim_split",
    "write_anndata",
    "write_cells",
    "write_effects",
    "write_latent",
    "write_prediction",
    "write_screen",
    "write_split",
]
