"""Errors of our own kind: what is wrong, what was found, what to do."""

from __future__ import annotations

__all__ = ["DataError", "EmbeddingError", "FitError", "LeakageError", "PerturbridgeError"]


class PerturbridgeError(Exception):
    """Base of every error raised on purpose.

    Parameters
    ----------
    problem
        What is wrong and what was found (counts, first offender), as one sentence.
    cure
        What to do about it, as one sentence.
    """

    def __init__(self, problem: str, *, cure: str) -> None:
        super().__init__(problem, cure)
        self.problem = problem
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.problem} {self.cure}"


class DataError(PerturbridgeError):
    """A screen, profile table or prediction file cannot be used as it is."""


class EmbeddingError(PerturbridgeError):
    """A gene embedding cannot be read, trusted or matched."""


class LeakageError(PerturbridgeError):
    """Training and test information would be mixed."""


class FitError(PerturbridgeError):
    """A model cannot be fitted, loaded or asked for this prediction."""
