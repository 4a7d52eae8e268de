"""The injections by name, to build one again from a file."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from perturbridge._checks import one_of
from perturbridge.errors import DataError, FitError

from ._additive import AdditiveShift
from ._concat import Concat
from ._film import FiLM
from ._layer_norm import ConditionalLayerNorm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._interface import InjectionSpec

__all__ = ["INJECTIONS", "injection_from_json", "injection_of"]

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


def injection_of(asked: str | Mapping[str, Any] | InjectionSpec | None) -> InjectionSpec | None:
    """Return an injection; what is one already stays as it is.

    Parameters
    ----------
    asked
        Its name, or a table with its name and settings.

    Raises
    ------
    DataError
        If the name or a setting is unknown.
    """
    if asked is None or hasattr(asked, "build"):
        return cast("InjectionSpec | None", asked)
    about = {"name": asked} if isinstance(asked, str) else dict(cast("Any", asked))
    one_of("injection", str(about.get("name", "")), tuple(sorted(INJECTIONS)))
    try:
        return injection_from_json(about)
    except TypeError as error:
        problem = f"Injection {about['name']!r} has settings {sorted(set(about) - {'name'})}: {error}."
        raise DataError(problem, cure="Leave them out; 'concat' alone has one, n_projected.") from error
