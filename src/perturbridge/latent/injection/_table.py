"""The injections by name, to build one again from a file."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from perturbridge.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._interface import InjectionSpec

__all__ = ["injection_from_json"]

_BY_NAME: Mapping[str, Callable[..., InjectionSpec]] = MappingProxyType({})


def injection_from_json(about: dict[str, Any]) -> InjectionSpec:
    """Return the injection whose `as_json` this is.

    Raises
    ------
    FitError
        If its name is unknown.
    """
    rest = dict(about)
    name = str(rest.pop("name", ""))
    if name not in _BY_NAME:
        problem = f"There is no injection called {name!r}."
        raise FitError(problem, cure=f"Known: {', '.join(sorted(_BY_NAME)) or 'none'}.")
    return _BY_NAME[name](**rest)
