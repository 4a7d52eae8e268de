"""The tables that ship with the package."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from perturbridge._checks import nearest_names
from perturbridge.errors import EmbeddingError

from ._read import read_embedding

if TYPE_CHECKING:
    from perturbridge.values import GeneAliases, GeneEmbedding

__all__ = ["Source", "list_sources", "open_embedding"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table that ships: what it is, who made it, under which license, how large it is.

    Parameters
    ----------
    name, description, source, license, date, id_space
        As in `EmbeddingCard`.
    n_genes, n_dims
        Names and dimensions.
    n_bytes, sha256
        Size and SHA-256 of the file.
    path
        Where it lies.
    """

    name: str
    description: str
    source: str
    license: str
    date: str
    id_space: str
    n_genes: int
    n_dims: int
    n_bytes: int
    sha256: str
    path: str


def list_sources() -> list[Source]:
    """Return the tables that ship, by name, from their cards; no vectors are read.

    Raises
    ------
    EmbeddingError
        If the installation lacks them.
    """
    for home in _homes():
        found = [_source(card) for card in sorted(home.glob("*/card.toml")) if _table_of(card).exists()]
        if found:
            return found
    problem = "The embedding tables that ship are not beside this installation of perturbridge."
    raise EmbeddingError(problem, cure="Install perturbridge again, or pass an embedding file of your own.")


def _homes() -> tuple[Path, Path]:
    """Return where the tables lie in an installed package, and in a source checkout."""
    here = Path(__file__).parent
    return here / "data", here.parents[2] / "embeddings"


def _table_of(card: Path) -> Path:
    return card.parent / f"{card.parent.name}.safetensors"


def _source(card: Path) -> Source:
    with card.open("rb") as handle:
        told = tomllib.load(handle)
    text = {key: str(told[key]) for key in ("name", "description", "source", "license", "date", "id_space", "sha256")}
    file = _table_of(card)
    return Source(
        **text, n_genes=int(told["n_genes"]), n_dims=int(told["n_dims"]), n_bytes=file.stat().st_size, path=str(file)
    )


def open_embedding(
    name: str = "go_words", *, aliases: GeneAliases | Literal["default"] | None = "default"
) -> GeneEmbedding:
    """Open a table that ships.

    Parameters
    ----------
    name
        One of `list_sources()`.
    aliases
        As in `read_embedding`.

    Raises
    ------
    EmbeddingError
        If no such table ships.
    """
    shipped = {source.name: source for source in list_sources()}
    if name not in shipped:
        problem = f"No table called {name!r} ships; there are {nearest_names(name, list(shipped))}."
        raise EmbeddingError(problem, cure="Use one of these, or read_embedding for a file.")
    return read_embedding(shipped[name].path, aliases=aliases)
