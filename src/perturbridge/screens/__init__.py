"""Read a screen, name its perturbations, sum it up.

Takes: an h5ad file, a folder of three text files, or an AnnData object.
Gives: a Screen whose rows are checked as they are read; effects, splits, files of all of them, simulated screens.
Depends on: values; h5py, scipy, pandas, anndata, numba.
"""

from __future__ import annotations

from . import simulate
from ._cells import Cells, control_cells, open_cells
from ._describe import describe_screen
from ._log_rows import LogRows, log_rows
from ._read import open_source, read_screen
from .files._obsm import COORDINATE_SUFFIXES, read_coordinates
from .files._source_array import ArraySource
from .meaning._labels import LabelRule, parse_label
from .meaning._presets import PRESETS, Preset
from .saving._latent_write import write_latent
from .saving._profiles_read import read_effects, read_prediction
from .saving._profiles_write import write_effects, write_prediction
from .saving._screen_write import write_screen
from .splitting._splits import make_split
from .splitting._splits_io import read_split, write_split
from .summing._on_target import TargetChange, target_changes
from .summing._pseudobulk import pseudobulk

__all__ = [
    "COORDINATE_SUFFIXES",
    "PRESETS",
    "ArraySource",
    "Cells",
    "LabelRule",
    "LogRows",
    "Preset",
    "TargetChange",
    "control_cells",
    "describe_screen",
    "log_rows",
    "make_split",
    "open_cells",
    "open_source",
    "parse_label",
    "pseudobulk",
    "read_coordinates",
    "read_effects",
    "read_prediction",
    "read_screen",
    "read_split",
    "simulate",
    "target_changes",
    "write_effects",
    "write_latent",
    "write_prediction",
    "write_screen",
    "write_split",
]
