"""The command line: one file per subcommand, thin calls into the pipeline.

Takes: argv.
Gives: tables on standard output, files where asked, an exit status.
Depends on: typer, rich.
"""

from __future__ import annotations

from ._main import main

__all__ = ["main"]
