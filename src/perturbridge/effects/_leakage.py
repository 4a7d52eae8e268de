"""Whether an embedding may know the answers: three levels of leakage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import LeakageError
from perturbridge.numerics import LooRidge

from ._shrinkage import leading_directions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perturbridge.values import Effects, GeneEmbedding

__all__ = ["is_sister_screen", "leakage_of", "sister_suffix"]

# Left-out R² of the leading directions of Δ beyond which vectors are as good as a rotation of Δ itself.
_TOO_GOOD = 0.98
_DIRECTIONS, _MOST_ROWS = 3, 500


def is_sister_screen(source: GeneEmbedding) -> bool:
    """Return True where the card says that the vectors were computed from measured responses."""
    return bool(source.card.responses_of)


def sister_suffix(sources: Sequence[GeneEmbedding]) -> str:
    """Return what is added to the name of a model so that every table declares it, empty without such a source."""
    return " (L2)" if any(is_sister_screen(source) for source in sources) else ""


def leakage_of(source: GeneEmbedding, effects: Effects, *, split_hash: str) -> tuple[str, str]:
    """Return level and reason: what has to be said about a source beside every figure obtained with it.

    L1, response leak: computed from the responses of this very screen, test rows among them. Refused.
    L1?, vectors not declared as such, of which Δ of the training rows is nearly an exact linear map, as principal components would be.
    L2, sister screen: computed from another screen of the same genes. Declared.
    L3, knowledge leak: knowledge of a date; experiments published before it may be in it. Declared.

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
    explained = _explained(source, effects)
    if explained > _TOO_GOOD:
        return (
            "L1?",
            f"left-out rows of Δ are a linear map of its vectors (R2 {explained:.3f}): was it computed from them?",
        )
    return ("L3", f"knowledge of {card.date}") if card.date else ("", "no date in its card")


def _explained(source: GeneEmbedding, effects: Effects) -> float:
    """Left-out R² of the leading principal directions of Δ by a linear map of raw vectors; 0 where rows are too few to tell."""
    singles = [(i, name.genes[0]) for i, name in enumerate(effects.perturbations) if name.is_single]
    rows = source.locate([gene for _, gene in singles]).rows
    found = rows >= 0
    if found.sum() < source.n_dims + 2 * _DIRECTIONS:
        return 0.0
    step = max(1, int(found.sum()) // max(_MOST_ROWS, 2 * source.n_dims))
    chosen = np.flatnonzero(found)[::step]
    delta = effects.delta[[singles[j][0] for j in chosen]]
    centered = delta - delta.mean(axis=0)
    scores = centered @ leading_directions(centered, _DIRECTIONS).T
    ridge = LooRidge.from_features(source.vectors[rows[chosen]], scores)
    alone, unit = ridge.loo_error(np.inf), float(ridge.spectrum.sum()) / len(scores)
    if alone <= 0 or unit <= 0:
        return 0.0
    return 1.0 - min(ridge.loo_error(alpha * unit) for alpha in (1e-8, 1e-4)) / alone
