"""A folder with a matrix and a list of names beside it, as model hubs keep them: `embeddings.npy`, `genes.json`, `meta.json`."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from perturbridge.errors import EmbeddingError

from ._frame import left_out
from ._raw import RawTable
from ._read_binary import read_array_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_folder"]

_MATRICES = ("embeddings.npy", "embedding.npy", "gene_embeddings.npy", "vectors.npy", "matrix.npy", "X.npy")
_NAMES = ("genes", "gene_names", "names", "symbols", "gene_symbols", "gene_to_idx", "gene2idx", "vocab", "index")
_CURE = "Put the matrix as embeddings.npy and the names as a list in genes.json into one folder."
_LONGEST = 1 << 28


def read_folder(path: Path) -> RawTable:
    """Read the matrix and its names; a SHA-256 that the folder states is held against the matrix.

    Names are a JSON list, a JSON dict of name ▸ row, or one per line (`genes.txt`), in a file of that name or under that key of
    `meta.json`.

    Raises
    ------
    EmbeddingError
        If there is no matrix or several, no names or not one per row, or a stated hash is another one.
    """
    arrays = sorted(file for file in path.iterdir() if file.suffix == ".npy")
    chosen = next((path / name for name in _MATRICES if path / name in arrays), arrays[0] if len(arrays) == 1 else None)
    if chosen is None:
        held = ", ".join(repr(file.name) for file in sorted(path.iterdir())[:6]) or "nothing"
        problem = f"The folder {path} holds {len(arrays)} .npy files and none called {_MATRICES[0]!r}: {held}."
        raise EmbeddingError(problem, cure=_CURE)
    _check_hash(path, chosen)
    source, names = _names(path)
    matrix = read_array_file(chosen)
    if matrix.ndim != 2 or len(matrix) != len(names):
        problem = f"{chosen.name} in {path} has shape {matrix.shape} for {len(names)} names in {source.name}."
        raise EmbeddingError(problem, cure="Write one name per row.")
    rest = [file.name for file in sorted(path.iterdir()) if file not in (chosen, source)]
    return RawTable(names=names, vectors=matrix, findings=left_out("files", rest))


def _names(path: Path) -> tuple[Path, list[str]]:
    for name in _NAMES:
        if (path / f"{name}.json").is_file():
            return path / f"{name}.json", _as_list(_json(path / f"{name}.json"), where=path / f"{name}.json")
        if (path / f"{name}.txt").is_file():
            return path / f"{name}.txt", [line for line in _text(path / f"{name}.txt").splitlines() if line]
    meta = path / "meta.json"
    told = _json(meta) if meta.is_file() else {}
    key = next((name for name in _NAMES if isinstance(told, dict) and name in told), None)
    if key is None:
        problem = (
            f"The folder {path} has a matrix and no list of gene names (genes.json, genes.txt, or genes in meta.json)."
        )
        raise EmbeddingError(problem, cure=_CURE)
    return meta, _as_list(told[key], where=meta)


def _as_list(told: object, *, where: Path) -> list[str]:
    if isinstance(told, dict) and sorted(map(str, told.values())) == sorted(map(str, range(len(told)))):
        rows = {str(name): int(row) for name, row in told.items()}
        told = sorted(rows, key=rows.__getitem__)
    if not isinstance(told, list) or not all(isinstance(name, str) for name in told):
        problem = f"{where} holds no list of names but a {type(told).__name__}."
        raise EmbeddingError(problem, cure="Write a JSON list of gene names in the order of the rows, or name ▸ row.")
    return told


def _text(file: Path) -> str:
    if file.stat().st_size > _LONGEST:
        problem = f"{file} holds {file.stat().st_size:,} bytes, more than a list of gene names can."
        raise EmbeddingError(problem, cure=_CURE)
    return file.read_text(encoding="utf-8-sig")


def _json(file: Path) -> Any:  # noqa: ANN401 - what JSON holds
    return json.loads(_text(file))


def _check_hash(path: Path, matrix: Path) -> None:
    meta = path / "meta.json"
    told = _json(meta) if meta.is_file() else {}
    stated = told.get("sha256") if isinstance(told, dict) else None
    if isinstance(stated, dict):
        stated = stated.get(matrix.name)
    if not isinstance(stated, str):
        return
    with matrix.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != stated.lower():
        problem = f"{matrix} has SHA-256 {found[:12]}…, but meta.json states {stated[:12]}…."
        raise EmbeddingError(problem, cure="Download the folder again.")
