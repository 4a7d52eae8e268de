"""Sums on disk while the work lasts, so that whatever ends it early loses minutes and not the work."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._files import atomic_file
from perturbridge.errors import DataError

from ._fixed_point import Accumulator, Tally, merge

if TYPE_CHECKING:
    from perturbridge.values import Screen

    from ._frame import Frame
    from ._grouping import Grouping

__all__ = ["Kept", "KeptFile", "mark_of"]

_FORMAT = "perturbridge-sums-1"
_TABLES = ("sums", "squares", "detected", "n_perturbed", "n_control")


def mark_of(screen: Screen, grouping: Grouping, frame: Frame) -> str:
    """Return what sums on disk must bear to be those of this screen: labels, genes, unit, and size and time of its file."""
    path = screen.source.path
    file = Path(path) if path is not None else None
    stat = file.stat() if file is not None and file.is_file() else None
    head = [
        _FORMAT,
        list(screen.source.shape),
        screen.genes,
        frame.target_sum,
        None if stat is None else [stat.st_size, stat.st_mtime_ns],
    ]
    digest = hashlib.sha256(json.dumps(head).encode())
    for labels in (grouping.groups, grouping.context_codes):
        digest.update(np.ascontiguousarray(labels, dtype="<i4").data)
    return digest.hexdigest()


@dataclass(frozen=True)
class KeptFile:
    """One file of sums, which is replaced as more cells are summed; it travels to the worker that writes it.

    Parameters
    ----------
    path
        The file.
    mark
        Of the screen.
    """

    path: str
    mark: str

    def __call__(self, total: Accumulator) -> None:
        """Write the sums so far.

        Raises
        ------
        DataError
            If they cannot be written.
        """
        said = {
            "mark": self.mark,
            "spans": total.spans,
            "fractional": [total.fractional.count, total.fractional.first],
            "empty": [total.empty.count, total.empty.first],
        }
        with atomic_file(self.path) as temporary, temporary.open("wb") as file:
            tables: dict[str, Any] = {name: getattr(total, name) for name in _TABLES}
            np.savez(file, said=np.array(json.dumps(said)), **tables)


@dataclass(frozen=True)
class Kept:
    """The folder of the sums of one screen.

    Parameters
    ----------
    folder
        Made where it is not there.
    mark
        Of the screen; sums of another are refused.
    """

    folder: Path
    mark: str

    @classmethod
    def open(cls, folder: str | Path, mark: str) -> Kept:
        """Make the folder.

        Raises
        ------
        DataError
            If it cannot be made.
        """
        # Workers may start elsewhere.
        place = Path(folder).absolute()
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"{place} cannot be made: {error.strerror}."
            raise DataError(problem, cure="Name a folder that is yours to write as checkpoint.") from error
        return cls(place, mark)

    def load(self, frame: Frame) -> tuple[Accumulator | None, KeptFile]:
        """Return the sums of these genes that are there, and the file for those to come.

        Raises
        ------
        DataError
            If the folder holds sums of another screen, or a file that cannot be read.
        """
        stem = f"sums-{frame.genes[0]}-{frame.genes[1]}"
        files = sorted(self.folder.glob(f"{stem}-*.npz"))
        # Each start writes a file of its own: of further cells, or of all cells so far, which then makes the ones before needless.
        total: Accumulator | None = None
        for file in sorted(files, key=lambda one: -_n_cells(one, self.mark)):
            part = _read(file, self.mark)
            if total is None:
                total = part
            elif _covers(total.spans, part.spans):
                file.unlink()
            else:
                total = merge(total, part)
        number = 1 + max((int(file.stem.rpartition("-")[2]) for file in files), default=-1)
        return total, KeptFile(str(self.folder / f"{stem}-{number:03d}.npz"), self.mark)

    def clear(self) -> None:
        """Remove what is no longer needed, and the folder where nothing else is in it."""
        for file in self.folder.glob("sums-*.npz"):
            file.unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


def _covers(spans: tuple[tuple[int, int], ...], others: tuple[tuple[int, int], ...]) -> bool:
    return all(any(low <= start and stop <= high for low, high in spans) for start, stop in others)


def _n_cells(path: Path, mark: str) -> int:
    said, _ = _load(path, mark, ())
    return sum(stop - start for start, stop in said["spans"])


def _read(path: Path, mark: str) -> Accumulator:
    said, tables = _load(path, mark, _TABLES)
    return Accumulator(
        **tables,
        spans=tuple((int(start), int(stop)) for start, stop in said["spans"]),
        fractional=Tally(*said["fractional"]),
        empty=Tally(*said["empty"]),
    )


def _load(path: Path, mark: str, tables: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            said = json.loads(str(file["said"]))
            found = {name: file[name] for name in tables}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        problem = f"{path} holds no sums of ours: {error}."
        raise DataError(problem, cure="Remove it, or name another folder as checkpoint.") from error
    if said.get("mark") != mark:
        problem = f"{path} holds sums of another screen, or of this one before its file or its labels changed."
        raise DataError(problem, cure="Remove the folder to start anew, or name another one as checkpoint.")
    return said, found
