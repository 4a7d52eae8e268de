"""What a fit needs to know of a screen before it builds anything."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._conditions import make_conditions
from ._groupings import codes_among, grouping, known_cells, strata
from ._opening import check_values, screen_mark
from ._rows import choose_rows
from .cells._dataset import Codes
from .modules._vae import Sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from perturbridge.injection import InjectionSpec
    from perturbridge.values import GeneEmbedding, Labels, Screen, Split

    from ._architecture import Architecture
    from ._fitted import Conditions
    from ._rows import Chosen
    from ._training import Training
    from .penalties._interface import PenaltySpec

__all__ = ["Prepared", "Request", "prepare"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Request:
    """What a fit is asked for.

    Parameters
    ----------
    context
        Grouping the decoder is told.
    architecture, training, penalties, injection
        Settings.
    labels
        Grouping known for some cells, for semi-supervision.
    split, fold, rows
        See `choose_rows`.
    embedding
        Vectors of the perturbed genes, for the injection.
    """

    context: str | None
    architecture: Architecture
    training: Training
    penalties: Sequence[PenaltySpec] = ()
    injection: InjectionSpec | None = None
    labels: str | None = None
    split: Split | None = None
    fold: str | None = None
    rows: ArrayLike | None = None
    embedding: GeneEmbedding | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared:
    """A screen as a fit sees it.

    Parameters
    ----------
    chosen
        Rows to learn from.
    codes
        Codes of every cell.
    contexts, context_column
        Contexts of the decoder, and the column they come from.
    labels, label_column
        Labels of the classifier, and the column they come from.
    conditions
        What is injected, or None.
    n_genes
        Genes of the screen.
    fingerprint
        Of cells and settings.
    """

    chosen: Chosen
    codes: Codes
    contexts: tuple[str, ...]
    context_column: str
    labels: tuple[str, ...]
    label_column: str
    conditions: Conditions | None
    n_genes: int
    fingerprint: str

    @property
    def sizes(self) -> Sizes:
        """Sizes of the networks."""
        return Sizes(
            n_genes=self.n_genes,
            n_contexts=len(self.contexts),
            n_condition=0 if self.conditions is None else self.conditions.table.shape[1],
            n_labels=len(self.labels),
        )


def prepare(screen: Screen, request: Request) -> Prepared:
    """Choose rows, and turn labels into codes.

    Raises
    ------
    FitError
        If the values do not fit the likelihood, cells lack a context, or too few are left.
    """
    check_values(screen, request.architecture)
    chosen = choose_rows(
        screen,
        split=request.split,
        fold=request.fold,
        rows=request.rows,
        validation=request.training.validation,
        seed=request.training.seed,
    )
    context = grouping(screen, request.context)
    known_cells(context, chosen.seen, role="context")
    contexts = used_contexts(context, chosen.seen)
    told = grouping(screen, request.labels)
    labels = () if told is None else used_contexts(told, chosen.seen[told.codes[chosen.seen] >= 0])
    conditions = make_conditions(screen, request.embedding, wanted=request.injection is not None)
    codes = Codes(
        context=np.zeros(screen.n_cells, dtype=np.int64) if context is None else codes_among(context, contexts),
        stratum=strata(screen),
        label=np.full(screen.n_cells, -1, dtype=np.int64) if told is None else codes_among(told, labels),
        # The control is code -1 and has row 0.
        condition=np.asarray(screen.perturbation_codes, dtype=np.int64) + 1,
        condition_table=None if conditions is None else conditions.table,
    )
    return Prepared(
        chosen=chosen,
        codes=codes,
        contexts=contexts,
        context_column="" if context is None else context.column,
        labels=labels,
        label_column="" if told is None else told.column,
        conditions=conditions,
        n_genes=screen.n_genes,
        fingerprint=_fingerprint(screen, chosen, request),
    )


def used_contexts(labels: Labels | None, rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Names of the contexts of some cells, sorted; one empty name without a grouping."""
    if labels is None:
        return ("",)
    return tuple(labels.categories[i] for i in np.flatnonzero(np.bincount(labels.codes[rows])))


def _fingerprint(screen: Screen, chosen: Chosen, request: Request) -> str:
    about = {
        "architecture": request.architecture.as_json(),
        "training": {k: v for k, v in request.training.as_json().items() if k not in ("device", "checkpoint_steps")},
        "penalties": [spec.as_json() for spec in request.penalties],
        "injection": None if request.injection is None else request.injection.as_json(),
        "embedding": None if request.embedding is None else request.embedding.card.sha256,
        "context": request.context,
        "screen": screen_mark(screen),
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    digest.update(chosen.train.data)
    return digest.hexdigest()
