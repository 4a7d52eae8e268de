"""What an audit reads before it begins: latents, labels, and the PCA of the counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturbridge.errors import DataError
from perturbridge.screens import COORDINATE_SUFFIXES, control_cells, open_cells, read_coordinates
from perturbridge.values import Finding, Labels, Latent

from ._encoders import made_latent
from ._reference import Reference, reference_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from perturbridge.screens import Cells
    from perturbridge.values import Screen

__all__ = [
    "FoundLatents",
    "Groupings",
    "OpenedReference",
    "find_latents",
    "name_of",
    "open_reference",
    "read_groupings",
]

Role = Literal["context", "sample", "condition", "state"]
ROLES: tuple[Role, ...] = ("context", "sample", "condition", "state")


@dataclass(frozen=True, eq=False, kw_only=True)
class FoundLatents:
    """Latents that were named, and the cells they are of.

    Parameters
    ----------
    cells
        Labels, and counts where there are any.
    latents
        By name.
    """

    cells: Cells
    latents: Mapping[str, Latent]


@dataclass(frozen=True, eq=False, kw_only=True)
class Groupings:
    """Labels of the cells by role.

    Parameters
    ----------
    by_role
        `context`, `sample`, `condition`, `state`; None where not named.
    control
        True for control cells `(n_cells,)`.
    explanation
        One sentence each.
    """

    by_role: Mapping[str, Any]
    control: NDArray[np.bool_]
    explanation: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenedReference:
    """What the counts gave.

    Parameters
    ----------
    reference
        None where there are no counts.
    screen
        The counts; None where there are none.
    made
        Latents made of the counts, by name; empty where some were named.
    explanation, findings
        How it was made, or why it could not be.
    """

    reference: Reference | None
    screen: Screen | None = None
    made: Mapping[str, Latent] = field(default_factory=dict)
    explanation: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def name_of(source: str | Path | object) -> str:
    """Return what messages and reports call a source."""
    return str(source) if isinstance(source, str | Path) else "an AnnData object"


def find_latents(source: str | Path | object, keys: Sequence[str], *, labels: str | Path | None = None) -> FoundLatents:
    """Read every latent that was named: keys of `obsm`, files, and a source that is a latent itself.

    Parameters
    ----------
    source
        As in `audit_data`.
    keys
        Keys and files.
    labels
        Table of the cells.

    Raises
    ------
    DataError
        If one does not exist, two bear one name, or their numbers of cells differ.
    """
    doubled = sorted({key for key in keys if keys.count(key) > 1})
    if doubled:
        problem = f"Latent {doubled[0]!r} is named {keys.count(doubled[0])} times."
        raise DataError(problem, cure="Name each latent once.")
    alone = labels is not None
    if not alone and isinstance(source, str | Path) and str(source).endswith((".npy", ".npz")):
        problem = f"{str(source)!r} holds coordinates without labels."
        raise DataError(problem, cure="Name the table of the cells: --labels meta.csv.")
    if alone and not (isinstance(source, str | Path) and str(source).endswith(COORDINATE_SUFFIXES)):
        problem = f"{name_of(source)} has labels of its own, and a table of labels was named beside it."
        raise DataError(problem, cure="Leave --labels out, or pass the latent as a file of its own.")
    named = (str(source), *keys) if alone else tuple(keys)
    files = {key: read_coordinates(key) for key in named if _is_file(key)}
    names = next((names for _, names in files.values() if names), ())
    cells = open_cells(labels if labels is not None else source, names=names)
    latents: dict[str, Latent] = {}
    for key in named:
        z = files[key][0] if key in files else cells.coordinates(key)
        name = _stem(key) if key in files else key
        if len(z) != cells.n_cells:
            problem = f"Latent {name!r} has {len(z):,} rows for the {cells.n_cells:,} cells of {cells.name}."
            raise DataError(problem, cure="Give one row per cell, in the order of the labels.")
        made_by = f"the file {key!r}" if key in files else f"obsm[{key!r}] of {name_of(source)}"
        latents[_free(name, latents)] = Latent(z=z, name=_free(name, latents), made_by=made_by)
    return FoundLatents(cells=cells, latents=latents)


def _is_file(key: str) -> bool:
    return key.endswith(COORDINATE_SUFFIXES) and Path(key).exists()


def _stem(key: str) -> str:
    return Path(key).name.removesuffix(".gz").rsplit(".", 1)[0]


def _free(name: str, taken: Mapping[str, Latent]) -> str:
    n = 2
    free = name
    while free in taken:
        free, n = f"{name} ({n})", n + 1
    return free


def read_groupings(cells: Cells, roles: Mapping[str, str | None], *, control: Sequence[str] = ()) -> Groupings:
    """Read the labels that were named; say which columns look as if they had been forgotten.

    Parameters
    ----------
    cells
        Where they lie.
    roles
        Column of each role, None where not named.
    control
        Labels that are controls.

    Raises
    ------
    DataError
        If there is no context, or a column does not exist.
    """
    if not roles["context"]:
        likely = cells.likely("context")
        problem = "An audit needs a context: the column that says which batch, chip or lane a cell comes from."
        listed = ", ".join(map(repr, likely or cells.columns[:12]))
        raise DataError(problem, cure=f"Name it (--context): {listed} {'read like one' if likely else 'are there'}.")
    by_role = {role: cells.labels(name, role=role) if name else None for role, name in roles.items()}
    said = [f"{role.capitalize()}: {_described(labels)}." for role, labels in by_role.items() if labels is not None]
    if control and by_role["condition"] is None:
        problem = f"Controls were named ({control[0]!r}), but no column of conditions."
        raise DataError(problem, cure="Name the column that holds them (--condition).")
    is_control = np.zeros(cells.n_cells, dtype=np.bool_)
    if by_role["condition"] is not None:
        is_control = control_cells(by_role["condition"], named=control)
        said.append(_controls_sentence(by_role["condition"], is_control))
    used = {part for name in roles.values() if name for part in (name, *name.split(","))}
    for role in ROLES:
        forgotten = [name for name in cells.likely(role) if name not in used] if by_role[role] is None else []
        if forgotten:
            said.append(f"No {role} was named, though {', '.join(map(repr, forgotten))} could be one (--{role}).")
    return Groupings(by_role=by_role, control=is_control, explanation=tuple(said))


def _described(labels: Labels) -> str:
    missing = int((labels.codes < 0).sum())
    without = f", {missing:,} cells without" if missing else ""
    return f"{labels.column!r} ({len(labels.categories):,} levels{without})"


def _controls_sentence(labels: Labels, is_control: NDArray[np.bool_]) -> str:
    if not is_control.any():
        return f"No label of {labels.column!r} reads like a control, so controls are not looked at apart (--control)."
    codes, counts = np.unique(labels.codes[is_control], return_counts=True)
    shown = ", ".join(f"{labels.categories[k]!r} {n:,} cells" for k, n in zip(codes[:5], counts[:5], strict=True))
    rest = f" and {len(codes) - 5} more labels" if len(codes) > 5 else ""
    return f"Controls: {shown}{rest}."


def open_reference(
    found: FoundLatents,
    *,
    place: str | None = None,
    x_is: Literal["counts", "log1p"] | None = None,
    make: Sequence[str] = ("PCA",),
    groupings: Groupings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> OpenedReference:
    """Make the PCA of the counts; where no latent was named, the latents asked for are what is audited.

    Parameters
    ----------
    found
        Cells, and latents that were named.
    place, x_is
        As in `read_screen`.
    make
        Names that `made_latent` knows.
    groupings
        Context, condition and state for an encoder that is told them.
    progress
        Called with cells read and cells in all.

    Raises
    ------
    DataError
        If there are no usable counts and no latent was named, or counts were asked for that are not there.
    """
    try:
        screen = found.cells.screen(place=place, x_is=x_is)
        reference = reference_of(screen, progress=progress)
    except DataError as error:
        if place is not None or x_is is not None:
            raise
        if not found.latents:
            raise _nothing_to_audit(error, found.cells) from error
        why = f"No reference and no library size, since there are no usable counts: {error.problem}"
        return OpenedReference(reference=None, explanation=(why,))
    made = {}
    if not found.latents:
        latents = [made_latent(name, screen, reference, groupings=groupings) for name in make]
        made = {latent.name: latent for latent in latents}
    what = "Latent" if reference.latent in made.values() else "Reference"
    return OpenedReference(
        reference=reference,
        screen=screen,
        made=made,
        explanation=(*screen.explanation, f"{what}: {reference.explanation}"),
        findings=(*screen.findings, *reference.latent.findings),
    )


def _nothing_to_audit(error: DataError, cells: Cells) -> DataError:
    if cells.keys:
        return DataError(error.problem, cure=f"Name a latent instead (--rep): {', '.join(map(repr, cells.keys))}.")
    return error
