"""The gates of the profile path: is Δ an effect of contexts, does an embedding know the answers?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.screens import make_split
from perturbridge.values import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Check, Effects, GeneEmbedding, Split

__all__ = ["gate_findings", "profile_gates", "vectors_of"]


def profile_gates(effects: Effects, embeddings: Sequence[GeneEmbedding], *, split: Split) -> tuple[Check, ...]:
    """Ask Δ and every embedding, on the perturbations of the first fold held out, before anything is believed.

    Parameters
    ----------
    effects
        What was measured.
    embeddings
        Sources of the model.
    split
        Its first fold names the test perturbations; where it divides cells, perturbations are drawn instead.
    """
    from perturbridge.audit import check_delta, check_embedding

    if split.by:
        split = make_split(effects, folds=min(5, len(effects.perturbations)), seed=split.seed)
    measured = set(effects.perturbations)
    test = [name for name in split.folds[0].test if name in measured]
    checks = [check_delta(effects)]
    for embedding in embeddings:
        level = "L2" if embedding.card.responses_of else ""
        checks.append(
            check_embedding(vectors_of(embedding, effects), effects, test, card=embedding.card, declared_level=level)  # type: ignore[arg-type]
        )
    return tuple(checks)


def vectors_of(embedding: GeneEmbedding, effects: Effects) -> NDArray[np.float64]:
    """Mean vector of the genes of each perturbation `(n_perturbations, n_dims)`; NaN where a gene has none."""
    out = np.full((len(effects.perturbations), embedding.n_dims), np.nan)
    for i, name in enumerate(effects.perturbations):
        located = embedding.locate(name.genes)
        if located.found.all():
            out[i] = embedding.vectors[located.rows].astype(np.float64).mean(axis=0)
    return out


def gate_findings(checks: Sequence[Check]) -> tuple[Finding, ...]:
    """Return a warning for each gate that fails, and for a Δ that may be one of contexts.

    An embedding that is merely not cleared, which a handful of test perturbations cannot do, stands in the manifest alone.
    """
    return tuple(
        Finding(
            level="warning",
            code=f"gate_{check.name.split()[0]}",
            message=" ".join(
                part for part in (f"{check.question} {check.verdict}: {check.evidence}", check.cure) if part
            ),
            count=1,
            example=check.name,
        )
        for check in checks
        if check.verdict == "fail" or (check.name == "delta" and check.verdict in ("warn", "not_identifiable"))
    )
