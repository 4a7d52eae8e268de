"""From a path, a list of paths or an AnnData object to a container, by what is there and never by its suffix."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge.errors import DataError
from perturbridge.values import Finding

from ._bridge import is_bridge, open_bridge
from ._cell_table import find_cell_table, with_cells
from ._h5 import open_file
from ._h5ad import open_h5ad
from ._in_memory import open_in_memory
from ._joined import join_containers
from ._loom import is_loom, open_loom
from ._node import is_zarr_folder
from ._source_market import Shelf
from ._tenx import is_tenx, open_tenx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._container import Container

__all__ = ["open_container"]

_SUFFIXES = (".h5ad", ".zarr", ".h5", ".loom")
_CALLED = tuple(
    f"{sample}filtered_{kind}_bc_matrix{suffix}"
    for suffix in (".h5", "")
    for sample in ("", "sample_")
    for kind in ("feature", "gene")
)
_FOREIGN = (
    (b"RDX", "an R data file", "In R, write it with anndataR or zellkonverter as .h5ad."),
    (b"\x1f\x8b", "gzip", "Unpack it first, or pass the folder of the three 10x files."),
    (b"PAR1", "a parquet table", "Put counts and labels into an AnnData object and write it as .h5ad."),
    (b"%%Matr", "a matrix without tables", "Pass the folder that holds it with its barcodes and features."),
)


def open_container(
    source: str | Path | Sequence[str | Path] | object, *, cells: str | Path | None = None, text_budget: int = 2**30
) -> Container:
    """Look into a screen, whatever it is kept in.

    Parameters
    ----------
    source
        A file (h5ad, zarr, 10x `.h5`, loom), a folder (zarr, text files, or several files of one screen), a pattern such as
        `plates/*.h5ad`, a list of paths, or an AnnData object.
    cells
        A table of the cells, matched by barcode.
    text_budget
        Bytes of text matrices that stay in memory; of those beyond, one at a time is.

    Raises
    ------
    DataError
        If it cannot be read, or holds several matrices that do not belong together.
    """
    shelf = Shelf(text_budget)
    if isinstance(source, str | Path):
        container = _open_path(Path(source), shelf)
    elif isinstance(source, list | tuple):
        container = _join([Path(path) for path in source], shelf, path=None)
    else:
        container = open_in_memory(source)
    return container if cells is None else with_cells(container, cells)


def _open_path(path: Path, shelf: Shelf) -> Container:
    if not path.exists() and any(mark in path.name for mark in "*?["):
        return _join(sorted(path.parent.glob(path.name)), shelf, path=str(path))
    if path.is_dir() and not is_zarr_folder(path):
        return _open_folder(path, shelf)
    if path.is_file() and not zipfile.is_zipfile(path):
        _refuse_foreign(path)
    with open_file(path) as file:
        tenx, loom = is_tenx(file), is_loom(file)
    if tenx:
        return _labeled(open_tenx(str(path)), path)
    return open_loom(str(path)) if loom else open_h5ad(path)


def _open_folder(path: Path, shelf: Shelf) -> Container:
    if is_bridge(path):
        bridge = open_bridge(path, shelf=shelf)
        return bridge if set(bridge.cell_columns()) - {"gem_group"} else _labeled(bridge, path)
    called = next((path / name for name in _CALLED if (path / name).exists()), None)
    if called is not None:
        # The output of Cell Ranger, whose other files are no screens.
        return _open_path(called, shelf)
    inside = sorted(p for p in path.iterdir() if p.suffix in _SUFFIXES or is_zarr_folder(p))
    folders = sorted(p for p in path.iterdir() if p.is_dir() and is_bridge(p))
    if len(inside) + len(folders) > 0:
        return _join(inside + folders, shelf, path=str(path))
    return open_bridge(path, shelf=shelf)


def _labeled(container: Container, path: Path) -> Container:
    """Add the guide calls that lie beside a 10x matrix, where there are any."""
    table = find_cell_table(path)
    return container if table is None else with_cells(container, table)


def _join(paths: Sequence[Path], shelf: Shelf, *, path: str | None) -> Container:
    if not paths:
        problem = f"No file matches {path!r}." if path else "The list of files is empty."
        raise DataError(problem, cure="Check the pattern, or pass the paths of the files.")
    parts = [_open_path(one, shelf) for one in paths]
    if len(parts) == 1:
        return parts[0]
    joined = join_containers(parts, [one.stem for one in paths], path=path)
    return replace(joined, findings=(*joined.findings, *_read_again(shelf, len(parts))))


def _read_again(shelf: Shelf, n_files: int) -> list[Finding]:
    if shelf.expected <= shelf.budget:
        return []
    message = (
        f"The text matrices of {n_files} files take {shelf.expected / 1e9:.1f} GB of memory, more than the {shelf.budget / 1e9:.1f} GB that "
        "stay in it; those beyond are read again, one at a time, in each pass over the cells. Written as one .h5ad (perturbridge.write_screen) "
        "they are read by cell."
    )
    return [Finding(level="info", code="text_read_again", message=message, count=n_files)]


def _refuse_foreign(path: Path) -> None:
    with path.open("rb") as handle:
        head = handle.read(6)
    for magic, what, cure in _FOREIGN:
        if head.startswith(magic):
            problem = f"{str(path)!r} is {what}."
            raise DataError(problem, cure=cure)
