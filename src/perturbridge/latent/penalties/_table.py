"""Penalties by name: from a short text, a table of settings, or what a file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from perturbridge._checks import nearest_names, one_of
from perturbridge.errors import DataError

from ._separation import KINDS, Separation

if TYPE_CHECKING:
    from ._interface import PenaltySpec

__all__ = ["penalty_of"]


def penalty_of(asked: str | Mapping[str, Any] | PenaltySpec) -> PenaltySpec:
    """Return a penalty; what is one already stays as it is.

    Parameters
    ----------
    asked
        `"mmd"` or `"mmd=20"`: kind and strength of a `Separation`. A table: its fields by name, as `as_json` gives them.

    Raises
    ------
    DataError
        If the kind or a setting is unknown, or the strength is no number.
    """
    if isinstance(asked, str):
        kind, given, strength = asked.partition("=")
        one_of("penalty", kind.strip(), KINDS)
        return Separation(kind=cast("Any", kind.strip()), strength=_number(asked, strength) if given else None)
    if not isinstance(asked, Mapping):
        return asked
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in asked.items()}
    values.pop("name", None)
    known = [field.name for field in fields(Separation)]
    unknown = sorted(set(values) - set(known))
    if unknown or "kind" not in values:
        problem = (
            f"A penalty has {len(unknown)} unknown settings ({', '.join(map(repr, unknown[:1])) or 'and no kind'})."
        )
        near = nearest_names(unknown[0], known) if unknown else "'kind'"
        raise DataError(problem, cure=f"Nearest valid names: {near}; kinds: {', '.join(KINDS)}.")
    return Separation(**values)


def _number(asked: str, strength: str) -> float:
    try:
        return float(strength)
    except ValueError as error:
        problem = f"The strength in {asked!r} is no number."
        raise DataError(problem, cure="Write kind=strength, such as mmd=20, or the kind alone.") from error
