"""Pickles of others, read without running what they ask for, and the plainest of pickles for programs that read nothing else."""

from __future__ import annotations

from ._claims import check_pickle_claims, float_run
from ._unpickle import safe_unpickle
from ._write import pickle_of_lists

__all__ = ["check_pickle_claims", "float_run", "pickle_of_lists", "safe_unpickle"]
