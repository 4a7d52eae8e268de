"""Open an embedding file of any of the usual kinds, safely."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from perturbridge.errors import EmbeddingError
from perturbridge.values import GeneAliases, GeneEmbedding

from ._aliases import default_aliases
from ._assemble import assemble
from ._frame import Orientation, table_of_frame
from ._raw import RawTable, reading, table_of_mapping
from ._read_binary import read_npy, read_npz, read_pickle, read_torch
from ._read_folder import read_folder
from ._read_parquet import read_parquet
from ._read_text import read_text
from ._safetensors import header_of, is_own, read_foreign, read_own
from ._sniff import sniff

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import ArrayLike

__all__ = ["as_embedding", "file_hash", "read_embedding", "split_key"]

_SUFFIXES = frozenset(
    [
        ".csv",
        ".gz",
        ".h5ad",
        ".npy",
        ".npz",
        ".parquet",
        ".pickle",
        ".pkl",
        ".pq",
        ".pt",
        ".pth",
        ".safetensors",
        ".torch",
        ".tsv",
        ".txt",
        ".vec",
        ".zarr",
    ]
)


def read_embedding(
    path: str | Path,
    *,
    name: str | None = None,
    aliases: GeneAliases | Literal["default"] | None = "default",
    orientation: Orientation = "auto",
    key: str | None = None,
) -> GeneEmbedding:
    """Read gene vectors from a file whose kind is told by its content, never by its suffix.

    Read are: pickled dicts of lists or arrays (GenePT, scGenePT, GenePert, MORPH; an allow-list keeps them from running
    code), `.pt` dicts of tensors (ESM2; `weights_only=True`), `.npy` with a dict, `.npz`, parquet, csv and tsv (also gzip),
    word2vec text, `.h5ad` and zarr (X, or a matrix of `varm` or `obsm`), safetensors, a folder with `embeddings.npy` and
    `genes.json`, and the tables that `write_embedding` and `convert_embedding` write.

    Parameters
    ----------
    path
        The file or folder; `FILE#varm/NAME` names a matrix in it like `key`.
    name
        Short name of the source; default: the one in the file's card, else the file's own without suffixes.
    aliases
        Old and alternative gene names: the table that ships, your own from `read_aliases`, or None for exact names only.
    orientation
        Where the genes lie in a table; found by itself where the names tell.
    key
        Matrix of an `.h5ad` or zarr store beside X: `"varm/NAME"`, with a vector per column of X, or `"obsm/NAME"`.

    Returns
    -------
    GeneEmbedding
        float32 vectors as they are in the file, names of one vector sharing its row. What was noticed (vectors of zeros or
        NaN left out, repeated names, numbers rounded to float32, dates for names) is in `findings`. The card has the
        SHA-256 of the file; a converted table keeps that of the file it came from.

    Raises
    ------
    EmbeddingError
        If the file cannot be read safely, claims more than it may, or holds ragged or damaged vectors, names that are not
        text, or one name for different vectors.
    """
    file, key = split_key(path, key)
    known = default_aliases() if aliases == "default" else aliases or GeneAliases()
    with reading(str(file)):
        raw = _read_raw(file, sniff(file), orientation=orientation, aliases=known, key=key)
    if isinstance(raw, GeneEmbedding):
        return _named(raw, file, name=name)
    return assemble(raw, where=str(file), name=name or _stem(file), sha256=file_hash(file), aliases=known)


def split_key(path: str | Path, key: str | None = None) -> tuple[Path, str | None]:
    """Return the file and the key of a matrix in it, from `FILE#varm/NAME` where no file bears that whole name."""
    file = Path(path)
    before, joint, after = str(path).rpartition("#")
    if key is None and joint and after and not file.exists():
        return Path(before), after
    return file, key


def _read_raw(
    file: Path, kind: str, *, orientation: Orientation, aliases: GeneAliases, key: str | None
) -> RawTable | GeneEmbedding:
    if key is not None and kind != "hdf5":
        problem = f"{file} is {kind} and has no {key!r}."
        raise EmbeddingError(problem, cure="Leave the key out; only .h5ad and zarr hold several matrices.")
    if kind == "folder":
        return read_folder(file)
    plain = {"pickle": read_pickle, "torch": read_torch, "npy": read_npy, "npz": read_npz}
    if kind in plain:
        return plain[kind](file)
    if kind == "safetensors":
        shapes, metadata = header_of(file)
        return read_own(file, metadata, aliases=aliases) if is_own(metadata) else read_foreign(file, shapes, metadata)
    if kind == "parquet":
        return read_parquet(file, orientation=orientation, aliases=aliases)
    if kind == "hdf5":
        from ._read_hdf5 import read_hdf5

        return read_hdf5(file, orientation=orientation, aliases=aliases, key=key)
    return read_text(file, zipped=kind == "gzip text", orientation=orientation, aliases=aliases)


def _named(embedding: GeneEmbedding, file: Path, *, name: str | None) -> GeneEmbedding:
    card = embedding.card
    if card.sha256 and name is None:
        return embedding
    return replace(embedding, card=replace(card, name=name or card.name, sha256=card.sha256 or file_hash(file)))


def _stem(file: Path) -> str:
    """Return the file's name without the suffixes of embedding files; one of GenePT's ends in a dot."""
    stem = file.name.rstrip(".")
    while Path(stem).suffix.lower() in _SUFFIXES and Path(stem).stem:
        stem = Path(stem).stem.rstrip(".") or stem
    return stem


def file_hash(file: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits; of a folder that of the names and hashes of its files."""
    if file.is_dir():
        parts = sorted(part for part in file.rglob("*") if part.is_file())
        listed = "".join(f"{part.relative_to(file).as_posix()}\0{file_hash(part)}\n" for part in parts)
        return hashlib.sha256(listed.encode()).hexdigest()
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def as_embedding(
    data: Mapping[str, ArrayLike] | pd.DataFrame,
    *,
    name: str,
    aliases: GeneAliases | Literal["default"] | None = "default",
    orientation: Orientation = "auto",
) -> GeneEmbedding:
    """Return an embedding from gene ▸ vector in memory, or from a data frame; the same checks as for a file.

    Raises
    ------
    EmbeddingError
        As `read_embedding`.
    """
    import pandas as pd

    known = default_aliases() if aliases == "default" else aliases or GeneAliases()
    if isinstance(data, pd.DataFrame):
        raw = table_of_frame(data.copy(), orientation=orientation, aliases=known, where=repr(name))
    else:
        raw = table_of_mapping(data, where=repr(name))
    return assemble(raw, where=repr(name), name=name, sha256="", aliases=known)
