"""From a configuration to records: the screen, its effects and the embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge.embeddings import list_sources, open_embedding, read_aliases, read_embedding
from perturbridge.errors import EmbeddingError
from perturbridge.screens import forecast_pseudobulk, pseudobulk, read_screen

from ._own_sources import COMPUTED, own_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from perturbridge.effects import SourceMaker
    from perturbridge.values import Effects, GeneEmbedding, Screen
    from perturbridge.workers import Forecast

    from ._config import RunConfig

__all__ = [
    "computed_names",
    "forecast_effects",
    "load_effects",
    "load_embedding",
    "load_embeddings",
    "load_screen",
    "load_sources",
]


def load_screen(config: RunConfig) -> Screen:
    """Open the screen of a configuration."""
    return read_screen(
        config.screen,
        cells=config.cells,
        preset=config.preset,
        perturbation=config.perturbation,
        control=config.control,
        context=config.context,
        sample=config.sample,
        state=config.state,
        genes=config.genes,
        place=config.place,
        x_is=config.x_is,
        target_sum=config.target_sum,
    )


def load_effects(
    config: RunConfig,
    screen: Screen,
    *,
    client: object = None,
    memory: str | int | None = None,
    checkpoint: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Effects:
    """Sum the screen into effects, in one pass over its cells where memory allows."""
    return pseudobulk(
        screen,
        min_cells=config.min_cells,
        on_few=config.on_few,
        client=client,
        memory=memory,
        checkpoint=checkpoint,
        progress=progress,
    )


def forecast_effects(
    config: RunConfig, screen: Screen, *, client: object = None, memory: str | int | None = None
) -> Forecast:
    """Return what `load_effects` will take in memory."""
    return forecast_pseudobulk(screen, min_cells=config.min_cells, on_few=config.on_few, client=client, memory=memory)


def load_embedding(source: str, *, aliases: str | Path | None = None) -> GeneEmbedding:
    """Open an embedding file, or a table that ships by its name; a file wins over a name.

    Parameters
    ----------
    source
        Path or name.
    aliases
        A table of gene names, instead of the one that ships.

    Raises
    ------
    EmbeddingError
        If it is neither.
    """
    known = read_aliases(aliases)
    # FILE#varm/NAME is a matrix inside a file.
    if Path(source).exists() or Path(source.rpartition("#")[0] or source).is_file():
        return read_embedding(source, aliases=known)
    shipped = [entry.name for entry in list_sources()]
    if source in shipped:
        return open_embedding(source, aliases=known)
    problem = f"{source!r} is neither a file nor a table that ships."
    raise EmbeddingError(
        problem,
        cure=f"Pass the path of an embedding file, or one of: {', '.join(shipped)}; a run also takes {' and '.join(COMPUTED)}.",
    )


def computed_names(config: RunConfig) -> list[str]:
    """Return the sources of a configuration that are computed from the screen itself; a file of that name wins."""
    return [name for name in config.embedding if name in COMPUTED and not Path(name).exists()]


def load_embeddings(config: RunConfig) -> list[GeneEmbedding]:
    """Open every file and table of a configuration.

    Raises
    ------
    EmbeddingError
        If two sources bear the same name, or one cannot be opened.
    """
    computed = computed_names(config)
    opened = [load_embedding(name, aliases=config.aliases) for name in config.embedding if name not in computed]
    _require_names([*(embedding.name for embedding in opened), *computed])
    return opened


def load_sources(config: RunConfig, screen: Screen) -> list[GeneEmbedding | SourceMaker]:
    """Open or compute every source of a configuration, those of the screen itself last.

    Each must have a name of its own, since tables and models speak of it by name; same errors as `load_embeddings`, and DataError where
    the screen does not allow a source that is computed from it.
    """
    return [*load_embeddings(config), *(own_source(name, screen) for name in computed_names(config))]


def _require_names(names: list[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        problem = f"{names.count(doubled[0])} embeddings are called {doubled[0]!r}."
        raise EmbeddingError(problem, cure="Pass each source once, or rename one of the files.")
