"""The ways to let a condition into a network, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perturbridge._checks import one_of

from ._additive import AdditiveShift
from ._concat import Concat
from ._film import FiLM
from ._layer_norm import ConditionalLayerNorm

if TYPE_CHECKING:
    from torch import nn

__all__ = ["INJECTIONS", "build_injection"]

INJECTIONS = ("additive", "concat", "film", "layer_norm")


def build_injection(kind: str, *, n_hidden: int, n_condition: int) -> nn.Module:
    """Return a module that takes h `(n_cells, n_hidden)` and e `(n_cells, n_condition)`; its `n_out` is the width of what it gives.

    Parameters
    ----------
    kind
        `"additive"`, `"concat"`, `"film"` or `"layer_norm"`.
    n_hidden, n_condition
        Widths.

    Raises
    ------
    DataError
        If `kind` is unknown.
    """
    table = {"additive": AdditiveShift, "concat": Concat, "film": FiLM, "layer_norm": ConditionalLayerNorm}
    return table[one_of("injection", kind, INJECTIONS)](n_hidden, n_condition)
