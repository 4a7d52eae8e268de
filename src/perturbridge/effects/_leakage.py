"""Whether an embedding may know the answers: three levels of leakage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perturbridge.errors import LeakageError

from ._training_sources import COEXPRESSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perturbridge.values import Effects, GeneEmbedding

__all__ = ["is_sister_screen", "leakage_of", "sister_suffix"]


def is_sister_screen(source: GeneEmbedding) -> bool:
    """Return True where the card says that the vectors were computed from measured responses."""
    return bool(source.card.responses_of)


def sister_suffix(sources: Sequence[GeneEmbedding]) -> str:
    """Return what is added to the name of a model so that every table declares it, empty without such a source."""
    return " (L2)" if any(is_sister_screen(source) for source in sources) else ""


def leakage_of(source: GeneEmbedding, effects: Effects, *, split_hash: str) -> tuple[str, str]:
    """Return level and reason: what has to be said about a source beside every figure obtained with it.

    L1, response leak: computed from the responses of this very screen, test rows among them. Refused.
    L2, sister screen: computed from another screen of the same genes. Declared.
    L3, knowledge leak: knowledge of a date; experiments published before it may be in it. Declared.

    This goes by what cards declare. Whether vectors nobody declared know the answers can be told on test rows alone, which a fit does
    not have: `audit.check_embedding` asks that, and every run does.

    Parameters
    ----------
    source
        The embedding.
    effects
        Training rows.
    split_hash
        Of the split they came from.

    Raises
    ------
    LeakageError
        At level L1.
    """
    card = source.card
    if effects.fingerprint and effects.fingerprint in card.responses_of.split("; "):
        if card.responses_split and card.responses_split == split_hash:
            return "", f"computed from the training rows of this split ({split_hash[:12]})"
        problem = (
            f"Embedding {source.name!r} was computed from the responses of this very screen (fingerprint "
            f"{effects.fingerprint[:12]}), with rows that a test would ask for."
        )
        cure = "Compute it inside the fit (TrainingResponses), or from training rows alone with split_hash given."
        raise LeakageError(problem, cure=cure)
    if card.responses_of:
        return "L2", f"computed from responses in another screen ({card.responses_of})"
    if card.made_by.startswith(COEXPRESSION):
        return "", card.description
    return ("L3", f"knowledge of {card.date}") if card.date else ("", "no date in its card")
