"""Language models on this machine: loaded from a folder, never fetched; the libraries are the extra `embed`."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perturbridge._checks import one_of
from perturbridge.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["choose_device", "library", "model_folder", "quietly"]


def library(name: str) -> Any:  # noqa: ANN401 - a module without types
    """Import a library of the extra `embed`.

    Raises
    ------
    EmbeddingError
        If it is not installed.
    """
    try:
        with quietly():
            return import_module(name)
    except ImportError as error:
        problem = f"{name} is not installed, which building from text or protein sequence needs ({error})."
        raise EmbeddingError(problem, cure="Install it: pip install 'perturbridge[embed]'.") from error


@contextmanager
def quietly() -> Iterator[None]:
    """Keep to itself what a library warns of in its own affairs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def model_folder(path: str | Path) -> Path:
    """Return the folder of a model.

    Raises
    ------
    EmbeddingError
        If it is no folder with a configuration; names of hubs are not looked up.
    """
    folder = Path(path)
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        problem = f"{folder} is no model: a folder with config.json and weights was expected."
        raise EmbeddingError(
            problem,
            cure="Download the model once with its hub's own client and pass the folder; nothing is fetched here.",
        )
    return folder


def choose_device(device: str) -> str:
    """Return `"cpu"` or `"cuda"`; `"auto"` takes a graphics card where there is one.

    Raises
    ------
    EmbeddingError
        If `"cuda"` is asked for and is not there.
    """
    import torch

    one_of("device", device, ("auto", "cpu", "cuda"))
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        problem = "device is 'cuda', and torch sees no graphics card."
        raise EmbeddingError(problem, cure="Use device='cpu', or install a torch that fits the driver.")
    return "cuda" if there and device != "cpu" else "cpu"
