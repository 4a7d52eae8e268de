"""The injections by name, to build one again from a file."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from perturbridge.errors import FitError

from ._additive import AdditiveShift
from ._concat import Concat
from ._film import FiLM
from ._layer_norm import ConditionalLayerNorm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._interface import InjectionSpec

__all__ = ["INJECTIONS", "injection_from_json"]

INJECTIONS: Mapping[str, Callable[..., InjectionSpec]] = MappingProxyType(
    {"additive": AdditiveShift, "concat": Concat, "film": FiLM, "layer_norm": ConditionalLayerNorm}
)


def injection_from_json(about: dict[str, Any]) -> InjectionSpec:
    """Return the injection whose `as_json` this is.

    Raises
    ------
    FitError
        If its name is unknown.
    """
    rest = dict(about)
    name = str(rest.pop("name", ""))
    if name not in INJECTIONS:
        problem = f"There is no injection called {name!r}."
        raise FitError(problem, cure=f"Known: {', '.join(sorted(INJECTIONS))}.")
    return INJECTIONS[name](**rest)
