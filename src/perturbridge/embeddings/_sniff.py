"""What kind of file this is, by its first bytes and never by its suffix."""

from __future__ import annotations

import gzip
import zipfile
from typing import TYPE_CHECKING

from perturbridge.errors import EmbeddingError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["sniff"]

_HEAD = 4096
_MAGIC = (
    (b"PAR1", "parquet"),
    (b"\x93NUMPY", "npy"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    # The number that opens a torch file of before 1.6, as a pickle of protocol 2.
    (b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", "torch"),
)
_ZARR = ("zarr.json", ".zgroup", ".zattrs")
_PICKLE_TEXT = (b"(dp", b"(d", b"}q", b"}.", b"ccollections\n", b"(lp", b"]q")
_NOT_A_TABLE = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "Fetch the file with git lfs pull."),
    (b"<!DOCTYPE", "an HTML page, as a failed download leaves", "Download the file again."),
    (b"<html", "an HTML page, as a failed download leaves", "Download the file again."),
    (b"BZh", "compressed with bzip2", "Unpack it first."),
    (b"\xfd7zXZ\x00", "compressed with xz", "Unpack it first."),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Unpack it first."),
    (b"ARROW1", "an Arrow (Feather) file", "Save the table as parquet or csv."),
    (b"RDX", "an R data file", "Write the matrix as csv from R."),
    (b"{", "JSON, which GenePT uses for the texts and not for the vectors", "Pass the file that holds the vectors."),
)


def sniff(path: Path) -> str:  # noqa: PLR0911 one return for each kind
    """Return `"pickle"`, `"torch"`, `"npz"`, `"npy"`, `"safetensors"`, `"parquet"`, `"hdf5"`, `"text"`, `"gzip text"` or `"folder"`.

    A zarr store counts as `"hdf5"`, whose tables it holds in another wrapping.

    Raises
    ------
    EmbeddingError
        If the file is missing, empty, or of a kind that holds no table.
    """
    if path.is_dir():
        return "hdf5" if any((path / mark).is_file() for mark in _ZARR) else "folder"
    head = _first_bytes(path)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"PK\x03\x04"):
        return _sniff_zip(path)
    if _is_safetensors(head, path.stat().st_size):
        return "safetensors"
    if head.startswith(b"\x1f\x8b"):
        return _sniff_gzip(path)
    if (head[0] == 0x80 and head[1:2] <= b"\x05") or head.startswith(_PICKLE_TEXT):
        return "pickle"
    return _sniff_text(head, path)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            head = handle.read(_HEAD)
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}."
        raise EmbeddingError(problem, cure="Pass the path of an embedding file.") from error
    if not head:
        problem = f"{path} is empty."
        raise EmbeddingError(problem, cure="Download or write it again.")
    return head


def _is_safetensors(head: bytes, size: int) -> bool:
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size


def _sniff_zip(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        return "torch"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    problem = f"{path} is a zip archive of {len(names)} files, neither npz nor torch, the first is {names[:1]}."
    raise EmbeddingError(problem, cure="Unpack it and pass the embedding file inside.")


def _sniff_gzip(path: Path) -> str:
    with gzip.open(path) as handle:
        head = handle.read(_HEAD)
    _sniff_text(head, path)
    return "gzip text"


def _sniff_text(head: bytes, path: Path) -> str:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, what, cure in _NOT_A_TABLE:
        if start.startswith(magic):
            problem = f"{path} is {what}."
            raise EmbeddingError(problem, cure=cure)
    try:
        # The last bytes may cut a character in two.
        text = head[: max(len(head) - 4, 1)].decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or not start:
        problem = f"{path} is of no kind that is known here; it begins with {head[:8]!r}."
        raise EmbeddingError(
            problem, cure="Pass pickle, .pt, npy, npz, parquet, safetensors, h5ad, csv or tsv (also .gz)."
        )
    return "text"
