"""`perturbridge inspect`: what is in a screen, what is wrong with it, what to type next."""

from __future__ import annotations

from typing import Any

from ._options import (
    Aliases,
    Embedding,
    Json,
    Threads,
)
from ._screen_options import ScreenArgument, takes_screen_settings

__all__ = ["inspect"]


@takes_screen_settings
def inspect(
    settings: dict[str, Any],
    screen: ScreenArgument,
    embedding: Embedding = None,
    aliases: Aliases = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Say what is in a screen and how it will be read, what is wrong with it, and what to type next; writes nothing.

    Example: `perturbridge inspect screen.h5ad -e GenePT.pickle`
    """
    from perturbridge import pipeline

    from ._inspection import print_inspection
    from ._show import print_json

    config = pipeline.config_from_mapping(
        {
            "screen": screen,
            **settings,
            "aliases": aliases,
            **({"embedding": tuple(embedding)} if embedding else {}),
        }
    )
    found = pipeline.inspect(config)
    if as_json:
        print_json(found)
    else:
        print_inspection(found)
