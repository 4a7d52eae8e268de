"""Ways to let a condition (a context, a perturbation's embedding) into a network, for the decoder of a latent and for a response.

Takes: sizes of a network and a generator.
Gives: torch modules, built from frozen records that are stored as plain JSON types.
Depends on: torch.
"""

from __future__ import annotations

from ._additive import AdditiveShift
from ._concat import Concat
from ._film import FiLM
from ._interface import Injection, InjectionSpec
from ._layer_norm import ConditionalLayerNorm
from ._table import INJECTIONS, injection_from_json, injection_of

__all__ = [
    "INJECTIONS",
    "AdditiveShift",
    "Concat",
    "ConditionalLayerNorm",
    "FiLM",
    "Injection",
    "InjectionSpec",
    "injection_from_json",
    "injection_of",
]
