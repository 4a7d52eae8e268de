"""Write an embedding as one safetensors file with its card inside; convert a file once and load it in a blink ever after."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from perturbridge._checks import one_of
from perturbridge._files import atomic_file
from perturbridge.errors import EmbeddingError

from ._read import file_hash, read_embedding
from ._safetensors import pack

if TYPE_CHECKING:
    from perturbridge.values import EmbeddingCard, GeneEmbedding

__all__ = ["convert_embedding", "write_embedding"]


def write_embedding(
    embedding: GeneEmbedding, path: str | Path, *, storage: Literal["float32", "float16"] = "float32"
) -> None:
    """Write vectors, names and card; the file appears whole or not at all.

    Parameters
    ----------
    embedding
        Vectors that several names share are written once.
    path
        Ends in `.safetensors`.
    storage
        `"float16"` halves the file and rounds every number to 11 bits; the reader gives float32 either way.

    Raises
    ------
    EmbeddingError
        If the suffix is another one, or a number does not fit float16.
    DataError
        If the folder cannot be written.
    """
    from safetensors.numpy import save_file

    final = Path(path)
    one_of("storage", storage, ("float32", "float16"))
    if final.suffix != ".safetensors":
        problem = f"{final} would be a safetensors file under another suffix."
        raise EmbeddingError(problem, cure=f"Write to {final.with_suffix('.safetensors').name}.")
    if storage == "float16" and np.abs(embedding.vectors).max() > np.finfo(np.float16).max:
        problem = f"Embedding {embedding.name!r} has a number of {np.abs(embedding.vectors).max():.3g}, beyond float16."
        raise EmbeddingError(problem, cure="Use storage='float32'.")
    tensors, header = pack(embedding, storage=storage)
    with atomic_file(final) as temporary:
        save_file(tensors, temporary, metadata=header)


def convert_embedding(
    source: str | Path,
    target: str | Path,
    *,
    card: EmbeddingCard | None = None,
    storage: Literal["float32", "float16"] = "float32",
) -> dict[str, object]:
    """Read an embedding file of any kind once, safely, and write it as safetensors.

    Parameters
    ----------
    source
        Any file that `read_embedding` reads.
    target
        Ends in `.safetensors`.
    card
        What you know of the source; its non-empty fields go into the file. Hash and identifiers are found from the file.
    storage
        As in `write_embedding`.

    Returns
    -------
    dict
        Plain JSON types: `source`, `target`, `name`, `n_names`, `n_vectors` (distinct ones), `n_dims`, `source_bytes`,
        `target_bytes`, `source_sha256`, `target_sha256` and `findings`, one sentence each.

    Raises
    ------
    EmbeddingError
        As `read_embedding` and `write_embedding`; nothing is written then.
    """
    origin, final = Path(source), Path(target)
    embedding = read_embedding(origin)
    known = {key: value for key, value in asdict(card).items() if value} if card else {}
    found = {"sha256": embedding.card.sha256, "id_space": embedding.card.id_space}
    made_by = known.get("made_by") or embedding.card.made_by or f"converted from {origin.name}"
    described = replace(embedding.card, **{**known, **found, "made_by": made_by})
    write_embedding(replace(embedding, card=described), final, storage=storage)
    return {
        "source": str(origin),
        "target": str(final),
        "name": described.name,
        "n_names": len(embedding.genes),
        "n_vectors": len(embedding.vectors),
        "n_dims": embedding.n_dims,
        "source_bytes": origin.stat().st_size,
        "target_bytes": final.stat().st_size,
        "source_sha256": embedding.card.sha256,
        "target_sha256": file_hash(final),
        "findings": [f"{finding.message} ({finding.count or 'all'})" for finding in embedding.findings],
    }
