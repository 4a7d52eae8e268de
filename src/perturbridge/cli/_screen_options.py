"""The options that say how to read a screen: declared once, given to every command that reads one."""

from __future__ import annotations

import inspect
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ScreenArgument", "takes_screen_settings"]

ScreenArgument = Annotated[
    Path,
    typer.Argument(
        help="The screen: .h5ad, zarr, 10x .h5 or folder, .loom, a folder with X.mtx, meta.csv and genes.tsv, or several files "
        "as a folder or a pattern in quotes ('plates/*.h5ad')."
    ),
]


def _declared(
    *,
    cells: Annotated[
        Path | None, typer.Option(help="Table of the cells (csv, tsv, parquet), matched by barcode, with their labels.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Labels as a known source writes them: gears, scperturb, replogle, norman, vcc, xaira, frangieh, perturbench, "
            "cellxgene, or your own as a .toml file."
        ),
    ] = None,
    perturbation: Annotated[str | None, typer.Option(help="Column with the perturbation labels.")] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            help="Label of the control cells, or a kind of them (non-targeting, safe-targeting, intergenic, reporter, untreated); again for "
            "each label or kind of the baseline. Controls of other kinds are kept apart."
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            help="Column with the technical grouping (batch, gem group); several joined by commas; none for one context."
        ),
    ] = None,
    sample: Annotated[str | None, typer.Option(help="Column with the biological unit (donor, replicate).")] = None,
    state: Annotated[str | None, typer.Option(help="Column with biology to keep (cell type).")] = None,
    genes: Annotated[str | None, typer.Option("--genes", help="Column of var with the gene names.")] = None,
    place: Annotated[str | None, typer.Option(help="Where the values lie: X, raw/X or layers/NAME.")] = None,
    x_is: Annotated[str | None, typer.Option("--x-is", help="What the values are: counts or log1p.")] = None,
) -> None:
    """Hold the declarations; never called."""


def takes_screen_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options above to a command; they reach it as one mapping, its keyword `settings`.

    Typer reads a command's options from its signature and has no groups of options, so the joined signature is written here
    once instead of being spelled out in every command.
    """
    own = inspect.signature(command, eval_str=True)
    shared = inspect.signature(_declared, eval_str=True)
    kept = [p for name, p in own.parameters.items() if name != "settings"]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*kept, *shared.parameters.values())]

    @wraps(command)
    def joined(**values: Any) -> None:  # noqa: ANN401 - what Typer parsed, typed by the two signatures
        settings = {name: values.pop(name) for name in shared.parameters}
        if settings["control"] is not None:
            settings["control"] = tuple(settings["control"])
        command(settings=settings, **values)

    setattr(joined, "__signature__", own.replace(parameters=parameters))  # noqa: B010 - functions declare no such attribute
    joined.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    # Else the signature of the inner function would win over the joined one.
    del joined.__wrapped__
    return joined
