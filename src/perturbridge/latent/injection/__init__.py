"""Ways to let a condition (a context, a perturbation's embedding) into a network."""

from __future__ import annotations

from ._additive import AdditiveShift
from ._concat import Concat
from ._film import FiLM
from ._layer_norm import ConditionalLayerNorm
from ._table import INJECTIONS, injection_from_json

__all__ = ["INJECTIONS", "AdditiveShift", "Concat", "ConditionalLayerNorm", "FiLM", "injection_from_json"]
