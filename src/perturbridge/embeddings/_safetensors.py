"""Our own table on disk and other safetensors files; own tables hold `vectors`, `rows` and `genes`, with the card in the header."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from perturbridge.errors import EmbeddingError, PerturbridgeError
from perturbridge.values import EmbeddingCard, Finding, GeneAliases, GeneEmbedding

from ._raw import RawTable, check_claim, table_of_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["header_of", "is_own", "pack", "read_foreign", "read_own"]

_HEADER = "perturbridge"
_FORMAT = "embedding/1"
_NAME_FIELDS = ("genes", "gene_names", "names", "symbols", "gene_symbols", "index")
_CURE = "Download it or convert it again."


def pack(embedding: GeneEmbedding, *, storage: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the tensors and the header of an embedding; `genes` is a JSON list in UTF-8, card and findings are JSON."""
    names = json.dumps(embedding.genes, ensure_ascii=True, separators=(",", ":"))
    tensors = {
        "vectors": np.ascontiguousarray(embedding.vectors, dtype=storage),
        "rows": np.ascontiguousarray(embedding.rows, dtype=np.int32),
        "genes": np.frombuffer(names.encode("ascii"), dtype=np.uint8),
    }
    about = {
        "format": _FORMAT,
        "card": asdict(embedding.card),
        "findings": [finding.as_json() for finding in embedding.findings],
    }
    # One entry: safetensors writes several in random order, and the same table must give the same bytes.
    return tensors, {_HEADER: json.dumps(about)}


def header_of(path: Path) -> tuple[dict[str, tuple[str, tuple[int, ...]]], dict[str, str]]:
    """Return kind and shape of each tensor, and the text fields of the header.

    Raises
    ------
    EmbeddingError
        If the file claims more than it may.
    """
    with safe_open(path, framework="numpy") as file:
        slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
        shapes = {key: (str(part.get_dtype()), tuple(part.get_shape())) for key, part in slices.items()}
        metadata = file.metadata() or {}
    check_claim(str(path), sum(int(np.prod(shape, dtype=object)) for _, shape in shapes.values()))
    return shapes, metadata


def is_own(metadata: dict[str, str]) -> bool:
    """Say whether `write_embedding` wrote the file."""
    return _HEADER in metadata


def read_own(path: Path, metadata: dict[str, str], *, aliases: GeneAliases) -> GeneEmbedding:
    """Read a table that `write_embedding` wrote; float16 storage becomes float32 without change.

    Raises
    ------
    EmbeddingError
        If a part is missing or does not fit the others, or the format is of a later version.
    """
    try:
        about = json.loads(metadata[_HEADER])
        if about["format"] != _FORMAT:
            message = f"its format is {about['format']!r}, not {_FORMAT!r}"
            raise ValueError(message)
        vectors, rows, names = _tensors(path, ("vectors", "rows", "genes"))
        genes = json.loads(names.tobytes())
        if not isinstance(genes, list) or not all(isinstance(gene, str) for gene in genes):
            message = "its names are not a list of text"
            raise TypeError(message)
        return GeneEmbedding(
            vectors=vectors.astype(np.float32, copy=False),
            genes=tuple(genes),
            rows=rows.astype(np.int64),
            card=_card(about["card"]),
            aliases=aliases,
            findings=tuple(Finding(**found) for found in about["findings"]),
        )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, PerturbridgeError) as error:
        problem = f"{path} is a damaged perturbridge table: {type(error).__name__}, {error}."
        raise EmbeddingError(problem, cure=_CURE) from error


def _tensors(path: Path, parts: Sequence[str]) -> list[NDArray[Any]]:
    """Return tensors of a file whose header `header_of` has checked, each read once into its own memory and not mapped."""
    kinds = {"F32": "<f4", "F16": "<f2", "I32": "<i4", "U8": "u1"}
    with path.open("rb") as handle:
        n_header = int.from_bytes(handle.read(8), "little")
        header = json.loads(handle.read(n_header))
        read = []
        for part in parts:
            told = header[part]
            handle.seek(8 + n_header + told["data_offsets"][0])
            count = int(np.prod(told["shape"], dtype=object))
            read.append(np.fromfile(handle, dtype=kinds[told["dtype"]], count=count).reshape(told["shape"]))
    return read


def _card(found: object) -> EmbeddingCard:
    known = {field.name for field in fields(EmbeddingCard)}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        message = "its card is not a set of text fields"
        raise TypeError(message)
    return EmbeddingCard(**{key: value for key, value in found.items() if key in known})


def read_foreign(path: Path, shapes: dict[str, tuple[str, tuple[int, ...]]], metadata: dict[str, str]) -> RawTable:
    """Read one tensor per gene, or one matrix with the names in the header (a JSON list, or one per line).

    Raises
    ------
    EmbeddingError
        If it is neither, or a tensor is of a kind numpy lacks.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {key: file.get_tensor(key) for key in shapes}
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        kinds = sorted({kind for kind, _ in shapes.values()})
        problem = f"{path} holds tensors of kind {', '.join(kinds)} that cannot be read: {error}."
        raise EmbeddingError(problem, cure="Save the vectors as float32 or float16.") from error
    matrices = [key for key, array in tensors.items() if array.ndim == 2 and min(array.shape) > 1]
    if not matrices:
        return table_of_mapping(tensors, where=str(path))
    field = next((name for name in _NAME_FIELDS if name in metadata), None)
    if len(matrices) > 1 or field is None:
        problem = (
            f"{path} holds {len(matrices)} matrices, the first {matrices[0]!r} of shape {shapes[matrices[0]][1]}, "
            f"and its header has {'no gene names' if field is None else f'names under {field!r}'}."
        )
        raise EmbeddingError(
            problem, cure="Save one tensor per gene, or one matrix with a JSON list 'genes' in the header."
        )
    return RawTable(names=_names(metadata[field]), vectors=tensors[matrices[0]])


def _names(text: str) -> list[object]:
    try:
        parsed: object = json.loads(text)
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, list) else [line for line in text.splitlines() if line]
