"""Cells of any screen through the encoder, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from perturbridge.errors import FitError
from perturbridge.values import FittedStep, Latent

from ._genes import match_genes
from ._groupings import carried, codes_among, grouping, strata
from ._opening import check_values, make_dataset, screen_mark
from ._refine import refined
from .cells._dataset import Codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from perturbridge.values import Finding, Screen

    from ._fitted import Fitted
    from .cells._batch import Batch

__all__ = ["Cells", "encode", "open_cells"]

CELLS_PER_READ = 8192
CELLS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of a screen, opened for a fitted model.

    Parameters
    ----------
    screen, fitted
        Which cells, for which model.
    rows
        Their rows, ascending.
    codes
        Codes of every cell of the screen.
    findings
        What was noticed.
    """

    screen: Screen
    fitted: Fitted
    rows: NDArray[np.int64]
    codes: Codes
    findings: tuple[Finding, ...]

    def batches(self) -> Iterator[Batch]:
        """Read the cells a stretch at a time."""
        genes, _ = match_genes(self.fitted.genes, self.screen.genes)
        device = next(self.fitted.module.parameters()).device
        for first in range(0, len(self.rows), CELLS_PER_READ):
            rows = self.rows[first : first + CELLS_PER_READ]
            data = make_dataset(self.screen, rows, codes=self.codes, genes=genes, device=device)
            for start in range(0, len(rows), CELLS_AT_ONCE):
                yield data.batch(rows[start : start + CELLS_AT_ONCE])


def open_cells(fitted: Fitted, screen: Screen, *, rows: NDArray[np.int64] | None = None, needs_context: bool) -> Cells:
    """Match genes, contexts and perturbations of a screen with those of a model.

    Raises
    ------
    FitError
        If genes are missing, values are of another kind, or a context was not seen in training.
    """
    check_values(screen, fitted.architecture)
    if (screen.normalization.kind == "log1p") != fitted.logged:
        problem = f"The model was fitted on {'log1p values' if fitted.logged else 'counts'}, this screen holds {screen.normalization.kind}."
        raise FitError(problem, cure="Read the screen from the place where values of that kind lie.")
    _, findings = match_genes(fitted.genes, screen.genes)
    rows = np.arange(screen.n_cells) if rows is None else rows
    codes = Codes(
        context=_contexts(fitted, screen, rows, needed=needs_context),
        stratum=strata(screen),
        label=np.full(screen.n_cells, -1, dtype=np.int64),
        condition=_conditions(fitted, screen),
        condition_table=None if fitted.conditions is None else fitted.conditions.table,
    )
    return Cells(screen, fitted, rows, codes, findings)


def _contexts(fitted: Fitted, screen: Screen, rows: NDArray[np.int64], *, needed: bool) -> NDArray[np.int64]:
    if not fitted.context_column or not needed:
        return np.zeros(screen.n_cells, dtype=np.int64)
    labels = grouping(screen, fitted.context_column)
    codes = np.full(screen.n_cells, -1, dtype=np.int64) if labels is None else codes_among(labels, fitted.contexts)
    bad = rows[codes[rows] < 0]
    if len(bad):
        new = [] if labels is None else sorted({labels.categories[c] for c in labels.codes[bad] if c >= 0})
        problem = (
            f"{len(bad)} of {len(rows)} cells are in a context that was not seen in training: "
            f"{len(new)} new ones in {fitted.context_column!r}{', the first is ' + repr(new[0]) if new else ''}."
        )
        cure = "Add them with model.surgery(screen), or encode with unseen='encode' where the encoder is not told the context."
        raise FitError(problem, cure=cure)
    return codes


def _conditions(fitted: Fitted, screen: Screen) -> NDArray[np.int64]:
    if fitted.conditions is None:
        return np.zeros(screen.n_cells, dtype=np.int64)
    place = {name: i for i, name in enumerate(fitted.conditions.names)}
    # The control and cells without a perturbation decode without an injection.
    table = np.array([place.get(str(name), -1) for name in screen.perturbations] + [0, 0], dtype=np.int64)
    codes = table[screen.perturbation_codes]
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        name = screen.perturbations[int(screen.perturbation_codes[unknown[0]])]
        problem = (
            f"{len(unknown)} cells carry a perturbation whose vector the model does not hold, the first is {name}."
        )
        raise FitError(problem, cure="Pass the embedding again, or leave those cells out.")
    return codes


@torch.no_grad()
def encode(
    fitted: Fitted,
    cells: Cells,
    *,
    name: str,
    refine: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Latent:
    """Posterior means of z, after `refine` steps on each cell's own q, as a `Latent` with the labels of its cells."""
    parts = []
    done = 0
    for batch in cells.batches():
        posterior = fitted.module.encode(batch)
        if refine:
            posterior = refined(fitted.module, batch, posterior, n_steps=refine)
        parts.append(posterior.mean.cpu().numpy())
        done += batch.n_cells
        if progress is not None:
            progress(done, len(cells.rows))
    return as_latent(fitted, cells, np.concatenate(parts), name=name)


def as_latent(fitted: Fitted, cells: Cells, z: NDArray[np.float32], *, name: str) -> Latent:
    """Wrap coordinates with what must travel with them; context columns of z are left out, since they hold the context on purpose."""
    screen, rows = cells.screen, cells.rows
    trained = None
    if screen_mark(screen) == fitted.screen_mark:
        trained = np.isin(rows, fitted.seen)
    a = fitted.architecture
    step = FittedStep(
        name="encoder",
        rows="train" if fitted.split_hash else "all",
        split_hash=fitted.split_hash,
        n_cells=len(fitted.seen),
    )
    return Latent(
        z=z[:, : a.n_latent],
        cells=rows,
        name=name,
        made_by=f"{a.likelihood} VAE, {a.n_latent} dimensions, context {fitted.context_column or 'none'}",
        labels=carried(screen, rows),
        split_hash=fitted.split_hash,
        trained=trained,
        steps=(step,),
        findings=(*fitted.findings, *cells.findings),
    )
