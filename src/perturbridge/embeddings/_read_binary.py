"""Vectors in files of arrays: npy, npz, .pt and pickles."""

from __future__ import annotations

import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._pickles import safe_unpickle
from perturbridge.errors import EmbeddingError

from ._float_lists import read_float_lists
from ._frame import left_out
from ._raw import RawTable, check_claim, table_of_mapping

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from numpy.typing import NDArray

__all__ = ["read_array_file", "read_npy", "read_npz", "read_pickle", "read_torch"]

_TABLE_CURE = "Save a dict of gene names to vectors, or one array of names and one matrix."


def read_pickle(path: Path) -> RawTable:
    """Read a pickled dict of gene ▸ list or array, without running anything in it.

    Raises
    ------
    EmbeddingError
        If the pickle names anything but plain containers and numpy arrays, or holds no dict.
    """
    table = read_float_lists(path)
    if table is not None:
        return table
    with path.open("rb") as handle:
        return _table_of_object(safe_unpickle(handle, where=str(path)), where=str(path))


def _table_of_object(value: object, *, where: str) -> RawTable:
    if isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 0:
        value = value.item()
    if isinstance(value, dict):
        return table_of_mapping(value, where=where)
    shape = f" of shape {value.shape}" if isinstance(value, np.ndarray) else ""
    problem = f"{where} holds a {type(value).__name__}{shape}, not a dict of gene names to vectors."
    raise EmbeddingError(problem, cure=_TABLE_CURE)


def read_torch(path: Path) -> RawTable:
    """Read a `.pt` dict of gene ▸ tensor with `weights_only=True`; a dict of numpy arrays is read from its inner pickle.

    Raises
    ------
    EmbeddingError
        If the file asks for code, or holds no dict.
    """
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = torch.load(path, map_location="cpu", weights_only=True)
    # torch raises what the machinery below it raises: RuntimeError, UnpicklingError, EOFError, KeyError …
    except Exception as error:
        if zipfile.is_zipfile(path):
            return _arrays_in_torch(path)
        first = str(error).strip().splitlines()[:1]
        problem = f"{path} is a torch file that cannot be read as weights alone: {type(error).__name__}, {first}."
        raise EmbeddingError(problem, cure="Save a dict of gene names to tensors with a current torch.") from error
    if isinstance(value, dict):
        return table_of_mapping({key: _array(item) for key, item in value.items()}, where=str(path))
    return _table_of_object(_array(value), where=str(path))


def _arrays_in_torch(path: Path) -> RawTable:
    """Read the pickle inside a torch archive that holds no tensors, through the allow-list."""
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        check_claim(f"{path}:{name}", archive.getinfo(name).file_size // 4)
        with archive.open(name) as handle:
            return _table_of_object(safe_unpickle(handle, where=f"{path}:{name}"), where=str(path))


def _array(item: Any) -> Any:  # noqa: ANN401
    """Return a tensor as an array (bfloat16 through float32, which holds it exactly); other values as they are."""
    if not hasattr(item, "detach"):
        return item
    tensor = item.detach()
    return tensor.float().numpy() if str(tensor.dtype) == "torch.bfloat16" else tensor.numpy()


def read_npy(path: Path) -> RawTable:
    """Read an `.npy` that holds a pickled dict, without running anything in it.

    Raises
    ------
    EmbeddingError
        If it is a plain array, which has no gene names.
    """
    with path.open("rb") as handle:
        return _table_of_object(_read_array(handle, where=str(path), n_bytes=path.stat().st_size), where=str(path))


def read_array_file(path: Path) -> NDArray[Any]:
    """Return the plain array of an `.npy`, its claims checked; objects go through the allow-list."""
    with path.open("rb") as handle:
        return _read_array(handle, where=str(path), n_bytes=path.stat().st_size)


def read_npz(path: Path) -> RawTable:
    """Read an `.npz`: an array of names and a matrix, or one array per gene, or one pickled dict.

    Raises
    ------
    EmbeddingError
        If the arrays fit none of these, or one claims more than the archive holds.
    """
    where = str(path)
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        check_claim(where, sum(info.file_size for info in infos) // 4)
        names = [info.filename.removesuffix(".npy") for info in infos]
        arrays = []
        for info in infos:
            with archive.open(info) as handle:
                arrays.append(_read_array(handle, where=f"{where}:{info.filename}", n_bytes=info.file_size))
    if len(arrays) == 1 and arrays[0].dtype == object and arrays[0].ndim == 0:
        return _table_of_object(arrays[0], where=where)
    pair = _names_and_matrix(names, arrays, where=where)
    if pair is not None:
        return pair
    if all(array.dtype.kind in "fiu" and array.size == max(array.shape, default=0) for array in arrays):
        return RawTable(names=names, vectors=arrays)
    raise EmbeddingError(f"{where} holds {_shapes(names, arrays)}.", cure=_TABLE_CURE)  # noqa: EM102


def _shapes(names: list[str], arrays: list[NDArray[Any]]) -> str:
    some = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in list(zip(names, arrays, strict=True))[:6])
    return some + (", …" if len(names) > 6 else "")


def _names_and_matrix(names: list[str], arrays: list[NDArray[Any]], *, where: str) -> RawTable | None:
    texts = {n: a for n, a in zip(names, arrays, strict=True) if a.ndim == 1 and a.dtype.kind in "UO"}
    matrices = {n: a for n, a in zip(names, arrays, strict=True) if a.ndim == 2 and a.dtype.kind in "fiu"}
    fits = [(t, m) for t in texts for m in matrices if len(texts[t]) in matrices[m].shape]
    if not fits:
        return None
    if len(fits) > 1:
        problem = f"{where} has {len(fits)} pairs of names and matrix that fit: {_shapes(names, arrays)}."
        raise EmbeddingError(problem, cure="Save one array of names and one matrix.")
    ((text, matrix),) = fits
    vectors = matrices[matrix]
    rest = [name for name in names if name not in (text, matrix)]
    return RawTable(
        names=texts[text].tolist(),
        vectors=vectors if len(vectors) == len(texts[text]) else vectors.T,
        findings=left_out("arrays", rest),
    )


def _read_array(handle: IO[bytes], *, where: str, n_bytes: int) -> NDArray[Any]:
    """Read one array; what its header claims is held against the bytes there are, and objects go through the allow-list."""
    version = np.lib.format.read_magic(handle)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(handle)
    if dtype.hasobject:
        value = safe_unpickle(handle, where=where)
        return value if isinstance(value, np.ndarray) else np.array(value, dtype=object)
    n_values = int(np.prod(shape, dtype=object)) if shape else 1
    if n_values * dtype.itemsize > n_bytes:
        problem = f"{where} claims {n_values:,} numbers in {n_bytes:,} bytes."
        raise EmbeddingError(problem, cure="Download or write it again.")
    data = handle.read(n_values * dtype.itemsize)
    return np.frombuffer(data, dtype=dtype, count=n_values).reshape(shape, order="F" if fortran else "C")
