"""Read a screen, name its perturbations, sum it up.

Takes: an h5ad file, a folder of three text files, or an AnnData object.
Gives: a Screen whose rows are checked as they are read.
Depends on: values; h5py, scipy, pandas, anndata.
"""

from __future__ import annotations

from . import simulate
from ._describe import describe_screen
from ._labels import LabelRule, parse_label
from ._on_target import TargetChange, target_changes
from ._presets import PRESETS, Preset
from ._profiles_read import read_effects, read_prediction
from ._profiles_write import write_effects, write_prediction
from ._pseudobulk import pseudobulk
from ._read import open_source, read_screen
from ._screen_write import write_screen
from ._source_array import ArraySource
from ._splits import make_split
from ._splits_io import read_split, write_split

__all__ = [
    "PRESETS",
    "ArraySource",
    "LabelRule",
    "Preset",
    "TargetChange",
    "describe_screen",
    "make_split",
    "open_source",
    "parse_label",
    "pseudobulk",
    "read_effects",
    "read_prediction",
    "read_screen",
    "read_split",
    "simulate",
    "target_changes",
    "write_effects",
    "write_prediction",
    "write_screen",
    "write_split",
]
