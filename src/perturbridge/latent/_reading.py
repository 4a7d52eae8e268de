"""Settings of a latent model from plain names and values."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from perturbridge._checks import nearest_names, one_of
from perturbridge.errors import DataError
from perturbridge.injection import injection_of

from ._architecture import Architecture
from ._designs import DESIGNS
from ._settings import LatentSettings
from ._training import Training
from .penalties._table import penalty_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["latent_settings"]

Record = TypeVar("Record", Architecture, Training)


def latent_settings(values: Mapping[str, Any]) -> LatentSettings:
    """Return a design with everything that is named besides it put in its place.

    Parameters
    ----------
    values
        Fields of `LatentSettings` by name: `architecture` and `training` as tables of their fields, `penalties` as texts (`"mmd"`,
        `"mmd=20"`) or tables of a `Separation`, `injection` as a name or a table. Penalties that are named replace those of the design.

    Raises
    ------
    DataError
        If a name is unknown, with the nearest ones, or a value has the wrong type.
    FitError
        If a value does not fit.
    """
    _refuse_unknown(values)
    name = one_of("design", str(values.get("design", "scvi")), tuple(DESIGNS))
    networks = _table("architecture", values.get("architecture", {}), Architecture)
    # Checked apart, since the blocks of a design are cut from it.
    n_latent = _replaced("architecture", Architecture(), networks).n_latent
    base = DESIGNS[name](n_latent)
    penalties = values.get("penalties")
    if penalties is not None and not isinstance(penalties, list | tuple):
        problem = f"penalties is {penalties!r}."
        raise DataError(problem, cure="Give a list, such as ['mmd', 'adversary=3'], or tables [[penalties]].")
    return replace(
        base,
        architecture=_replaced("architecture", base.architecture, networks),
        training=_replaced("training", Training(), _table("training", values.get("training", {}), Training)),
        penalties=base.penalties if penalties is None else tuple(penalty_of(each) for each in penalties),
        injection=injection_of(values["injection"]) if "injection" in values else base.injection,
        embedding=str(values.get("embedding", base.embedding)),
        labels=values.get("labels", base.labels),
    )


def _refuse_unknown(values: Mapping[str, Any]) -> None:
    known = [field.name for field in fields(LatentSettings)]
    unknown = sorted(set(values) - set(known))
    if not unknown:
        return
    problem = f"{len(unknown)} settings are unknown, the first is {unknown[0]!r}."
    for table, kind in (("architecture", Architecture), ("training", Training)):
        if unknown[0] in {field.name for field in fields(kind)}:
            raise DataError(problem, cure=f"Put it under [{table}].")
    raise DataError(problem, cure=f"Nearest valid names: {nearest_names(unknown[0], known)}.")


def _table(name: str, table: object, kind: type[Architecture] | type[Training]) -> dict[str, Any]:
    if not isinstance(table, dict):
        problem = f"{name} is {table!r}, and no table of settings."
        raise DataError(problem, cure=f"Put its settings under [{name}].")
    known = [field.name for field in fields(kind)]
    bad = sorted(set(table) - set(known))
    if bad:
        problem = f"{len(bad)} settings in [{name}] are unknown, the first is {bad[0]!r}."
        raise DataError(problem, cure=f"Nearest valid names: {nearest_names(bad[0], known)}.")
    return {key: Path(value) if key == "checkpoint" else value for key, value in table.items()}


def _replaced(name: str, base: Record, table: dict[str, Any]) -> Record:
    try:
        return replace(base, **table)
    except TypeError as error:
        problem = f"A setting in [{name}] has a value of the wrong type: {error}."
        raise DataError(problem, cure="Write numbers without quotation marks, and names with them.") from error
