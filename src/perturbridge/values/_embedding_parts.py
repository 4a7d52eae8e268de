"""An embedding inside a saved model of any room, so that the folder predicts genes the training rows never had."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._checks import FrozenMapping

from ._aliases import GeneAliases
from ._embedding import EmbeddingCard, GeneEmbedding
from ._findings import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["pack_embedding", "unpack_embedding"]


def pack_embedding(source: GeneEmbedding) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return its names, card, aliases and findings as JSON types, and its arrays."""
    aliases: dict[str, Any] = {}
    for part in fields(GeneAliases):
        value = getattr(source.aliases, part.name)
        aliases[part.name] = sorted(value) if isinstance(value, frozenset) else dict(value)
    text = {
        "card": asdict(source.card),
        "genes": source.genes,
        "aliases": aliases,
        "findings": [finding.as_json() for finding in source.findings],
    }
    return text, {"vectors": source.vectors, "rows": source.rows}


def unpack_embedding(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> GeneEmbedding:
    """Build the embedding back; its own checks see to the shapes.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a part is missing or of another type.
    """
    if arrays["vectors"].dtype != np.float32 or arrays["rows"].dtype != np.int64:
        message = f"vectors are {arrays['vectors'].dtype} and rows {arrays['rows'].dtype}, not float32 and int64"
        raise ValueError(message)
    return GeneEmbedding(
        vectors=arrays["vectors"],
        genes=tuple(str(gene) for gene in text["genes"]),
        rows=arrays["rows"],
        card=EmbeddingCard(**{key: str(value) for key, value in text["card"].items()}),
        aliases=GeneAliases(**{key: _alias_table(value) for key, value in text["aliases"].items()}),
        findings=tuple(Finding(**finding) for finding in text["findings"]),
    )


def _alias_table(value: list[str] | dict[str, Any]) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return frozenset(str(name) for name in value)
    return FrozenMapping({key: tuple(v) if isinstance(v, list) else str(v) for key, v in value.items()})
