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

    def __reduce__(self) -> tuple[object, tuple[type[PerturbridgeError], str, str]]:
        # An error that arises on a worker travels; the cure is a keyword, which the default does not carry over.
        return _again, (type(self), self.problem, self.cure)

    def __str__(self) -> str:
        return f"{self.problem} {self.cure}"


def _again(kind: type[PerturbridgeError], problem: str, cure: str) -> PerturbridgeError:
    return kind(problem, cure=cure)


class DataError(PerturbridgeError):
    """A screen, profile table or prediction file cannot be used as it is."""


class EmbeddingError(PerturbridgeError):
    """A gene embedding cannot be read, trusted or matched."""


class LeakageError(PerturbridgeError):
    """Training and test information would be mixed."""


class FitError(PerturbridgeError):
    """A model cannot be fitted, loaded or asked for this prediction."""
