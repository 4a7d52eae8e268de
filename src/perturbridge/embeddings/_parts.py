"""Work kept batch by batch, so that an interrupted build goes on where it stopped and ends in the same bytes."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._files import atomic_file
from perturbridge.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Parts", "fingerprint"]


def fingerprint(settings: dict[str, Any]) -> str:
    """Return the SHA-256 of everything that decides the result."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Parts:
    """A folder of finished batches, for one build alone.

    Parameters
    ----------
    folder
        Where they are kept; None keeps nothing.
    mark
        `fingerprint` of the build.
    """

    folder: Path | None
    mark: str

    def open(self) -> None:
        """Make the folder, or find it as this build left it.

        Raises
        ------
        EmbeddingError
            If it holds the batches of another build.
        """
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        label = self.folder / "build.json"
        if label.exists() and json.loads(label.read_text(encoding="utf-8")).get("mark") != self.mark:
            problem = f"{self.folder} holds the unfinished work of another build: other input, model or settings."
            raise EmbeddingError(problem, cure="Remove that folder to begin anew, or write to another file.")
        with atomic_file(label) as temporary:
            temporary.write_text(json.dumps({"mark": self.mark}), encoding="utf-8")

    def run(
        self,
        batches: Sequence[Any],
        compute: Callable[[Any], NDArray[np.float64]],
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[NDArray[np.float64]]:
        """Return the result of every batch, computing those that are not kept yet."""
        results = []
        for i, batch in enumerate(batches):
            kept = None if self.folder is None else self.folder / f"{i:06d}.npy"
            if kept is not None and kept.exists():
                result = np.load(kept, allow_pickle=False)
            else:
                result = compute(batch)
                if kept is not None:
                    with atomic_file(kept) as temporary:
                        np.save(temporary, result)
            results.append(result)
            if progress is not None:
                progress(i + 1, len(batches))
        return results

    def close(self) -> None:
        """Remove the folder after the result was written."""
        if self.folder is not None:
            shutil.rmtree(self.folder)
