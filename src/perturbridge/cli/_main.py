"""The program: its commands, and how it ends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from perturbridge._processes import refuse_several
from perturbridge.errors import PerturbridgeError

from ._align import align
from ._audit import audit
from ._compare import compare
from ._demo import demo
from ._doctor import doctor
from ._embed import embed_app
from ._evaluate import evaluate
from ._inspect import inspect
from ._latent import latent_app
from ._predict import predict
from ._pseudobulk import pseudobulk
from ._run import run

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build_app", "main"]


def _show_version(*, value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(version("perturbridge"))
        raise typer.Exit


def _root(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Predict the effects of gene perturbations nobody has measured, and say how far to trust the answer.

    Start with `perturbridge demo`, or with `perturbridge inspect your_screen.h5ad`.
    """
    if context.invoked_subcommand != "latent":
        refuse_several(f"perturbridge {context.invoked_subcommand}")


def build_app() -> typer.Typer:
    """Return the program with its commands, in the order in which people need them."""
    app = typer.Typer(
        add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown"
    )
    app.callback()(_root)
    for command in (demo, inspect, run, predict, evaluate, compare, audit, align, pseudobulk):
        app.command()(command)
    app.add_typer(embed_app(), name="embed")
    app.command()(doctor)
    app.add_typer(latent_app(), name="latent")
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status: 0 done, 2 bad input or usage, 3 a latent fails its audit; a fault of ours shows its traceback."""
    try:
        build_app()(args=list(argv) if argv is not None else None)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except PerturbridgeError as error:
        _complain(error.problem, error.cure)
        return 2
    except OSError as error:
        _complain(
            f"{error.strerror or error}: {error.filename or 'no file named'}.",
            "Check the path, its permissions and the free space.",
        )
        return 2
    return 0


def _complain(problem: str, cure: str) -> None:
    # A hostile name must not move the cursor, color the terminal or start a second line.
    sys.stderr.write("error: " + _printable(problem) + " " + _printable(cure) + "\n")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
