"""Accuracy and its relatives, and usable information in bits, beside what the class shares alone would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Classification", "classify"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Classification:
    """How well classes were named.

    Parameters
    ----------
    accuracy, prior_accuracy
        Share of cells named rightly, and by always naming the largest class; in [0, 1].
    balanced_accuracy, chance
        Mean recall over classes, and 1 / n_classes.
    f1
        Macro F1, in [0, 1].
    bits
        max(0, H(c) − CE(c | z)), in bits: a lower bound of the information that can be used, so a low value proves no absence.
    entropy
        H(c) in bits, the most there could be.
    confusion
        Cells of each class (rows) named as each class (columns) `(n_classes, n_classes)`.
    """

    accuracy: float
    prior_accuracy: float
    balanced_accuracy: float
    chance: float
    f1: float
    bits: float
    entropy: float
    confusion: NDArray[np.int64]

    def as_json(self, *, largest: int = 40) -> dict[str, Any]:
        """Return plain JSON types; the confusion of more than `largest` classes is left out."""
        record: dict[str, Any] = {
            key: float(getattr(self, key))
            for key in ("accuracy", "prior_accuracy", "balanced_accuracy", "chance", "f1", "bits", "entropy")
        }
        return record | {"confusion": self.confusion.tolist() if len(self.confusion) <= largest else None}


def classify(log_p: NDArray[np.float64], codes: NDArray[np.int64]) -> Classification:
    """Name for each cell the class of greatest log-probability, and count.

    Parameters
    ----------
    log_p
        `(n_cells, n_classes)`.
    codes
        True class `(n_cells,)`.
    """
    n_classes = log_p.shape[1]
    named = log_p.argmax(axis=1)
    confusion = np.bincount(codes * n_classes + named, minlength=n_classes**2).reshape(n_classes, n_classes)
    counts, right = confusion.sum(axis=1), np.diag(confusion)
    present = counts > 0
    share = counts[present] / len(codes)
    entropy = float(-(share * np.log2(share)).sum())
    shift = log_p.max(axis=1, keepdims=True)
    normal = (shift + np.log(np.exp(log_p - shift).sum(axis=1, keepdims=True)))[:, 0]
    cross = float(-(log_p[np.arange(len(codes)), codes] - normal).mean() / np.log(2))
    f1 = 2 * right / np.maximum(counts + confusion.sum(axis=0), 1)
    return Classification(
        accuracy=float(right.sum() / len(codes)),
        prior_accuracy=float(share.max()),
        balanced_accuracy=float((right[present] / counts[present]).mean()),
        chance=float(1 / present.sum()),
        f1=float(f1[present].mean()),
        bits=max(0.0, entropy - cross),
        entropy=entropy,
        confusion=confusion,
    )
