"""Sources of a model that are computed from the screen itself: from its control cells, or inside each fit from the training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.effects import TrainingResponses, coexpression_embedding
from perturbridge.errors import DataError
from perturbridge.screens import log_rows
from perturbridge.values import CONTROL_CODE, GeneEmbedding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perturbridge.effects import SourceMaker
    from perturbridge.values import Screen

__all__ = ["COMPUTED", "embeddings_of", "measured_coverage", "own_source"]

COEXPRESSION, RESPONSES = "coexpression", "training_responses"
# Names that `embedding` takes beside files and tables that ship.
COMPUTED = (COEXPRESSION, RESPONSES)
# Control cells beyond these make co-expression dearer and hardly better known; memory is three times cells x genes.
_MOST_CELLS = 2000


def own_source(name: str, screen: Screen) -> GeneEmbedding | SourceMaker:
    """Return the source of this name.

    `coexpression` is computed once, from control cells, which no fold tests: no perturbed cell enters it. `training_responses` is
    computed anew inside each fit, from the rows that fit may see.

    Parameters
    ----------
    name
        One of `COMPUTED`.
    screen
        Its control cells are read, at most 2,000 of them, evenly spread over the file.

    Raises
    ------
    DataError
        If there are fewer than 3 control cells, or no gene varies over them.
    """
    if name == RESPONSES:
        return TrainingResponses()
    controls = np.flatnonzero(screen.perturbation_codes == CONTROL_CODE)
    if len(controls) < 3:
        problem = f"Co-expression over {len(controls)} control cells cannot be told."
        raise DataError(problem, cure=f"Leave {COEXPRESSION!r} out of the embeddings.")
    kept = controls[np.linspace(0, len(controls) - 1, min(len(controls), _MOST_CELLS)).astype(np.int64)]
    parts = []
    for stretch in log_rows(screen):
        inside = kept[(kept >= stretch.start) & (kept < stretch.start + stretch.values.shape[0])]
        parts.append(stretch.values[inside - stretch.start].toarray())
    contexts = None if screen.context is None else screen.context.codes[kept]
    return coexpression_embedding(np.concatenate(parts), screen.genes, name=COEXPRESSION, contexts=contexts)


def embeddings_of(sources: Sequence[GeneEmbedding | SourceMaker]) -> list[GeneEmbedding]:
    """Return the sources that are known before any fit."""
    return [source for source in sources if isinstance(source, GeneEmbedding)]


def measured_coverage(name: str, screen: Screen) -> dict[str, Any]:
    """Return what `coverage_report` would for a source that knows the measured genes, before it is computed."""
    wanted = sorted({gene for perturbation in screen.perturbations for gene in perturbation.genes})
    measured = set(screen.genes)
    missing = {gene: "not among the measured genes" for gene in wanted if gene not in measured}
    return {
        "name": name,
        "license": "your data",
        "source": "computed from the screen itself",
        "sha256": "",
        "n_dims": 64,
        "n_genes": len(screen.genes),
        "n_asked": len(wanted),
        "n_covered": len(wanted) - len(missing),
        "missing": missing,
        "renamed": {},
        "findings": [],
    }
