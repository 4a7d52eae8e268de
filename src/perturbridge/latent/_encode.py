"""Cells of any screen through the encoder, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from perturbridge._mapped import give_back, room
from perturbridge.errors import FitError
from perturbridge.values import FittedStep, Latent
from perturbridge.workers import as_workers

from ._genes import match_genes
from ._groupings import carried, codes_among, grouping, strata
from ._opening import check_values, make_dataset, screen_mark
from ._refine import refined
from .cells._dataset import Codes
from .saving._store import pack_model, unpack_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from perturbridge.values import Finding, Screen

    from ._fitted import Fitted
    from .cells._batch import Batch

__all__ = ["Cells", "encode", "open_cells"]

CELLS_PER_READ = 8192
CELLS_AT_ONCE = 1024
# A task is worth opening the model for; some for each worker are under way together, so that no worker waits for its next one.
READS_PER_TASK = 8
TASKS_PER_WORKER = 4


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
    findings = _check_kind(fitted, screen)
    rows = np.arange(screen.n_cells) if rows is None else rows
    codes = Codes(
        context=_contexts(fitted, screen, rows, needed=needs_context),
        stratum=strata(screen),
        label=np.full(screen.n_cells, -1, dtype=np.int64),
        condition=_conditions(fitted, screen),
        condition_table=None if fitted.conditions is None else fitted.conditions.table,
    )
    return Cells(screen, fitted, rows, codes, findings)


def _check_kind(fitted: Fitted, screen: Screen) -> tuple[Finding, ...]:
    check_values(screen, fitted.architecture)
    if (screen.normalization.kind == "log1p") != fitted.logged:
        problem = f"The model was fitted on {'log1p values' if fitted.logged else 'counts'}, this screen holds {screen.normalization.kind}."
        raise FitError(problem, cure="Read the screen from the place where values of that kind lie.")
    return match_genes(fitted.genes, screen.genes)[1]


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


@dataclass(frozen=True, eq=False, kw_only=True)
class _Job:
    """What every task needs: the model as it is, or packed for the journey."""

    fitted: Fitted | None
    packed: tuple[dict[str, Any], bytes] | None
    refine: int
    needs_context: bool

    def model(self) -> Fitted:
        """Return the model; what was packed is opened on a CPU, which every worker has."""
        if self.packed is None:
            assert self.fitted is not None  # noqa: S101 - one of the two
            return self.fitted
        return unpack_model(*self.packed, device=torch.device("cpu"))


def encode(
    fitted: Fitted,
    screen: Screen,
    *,
    name: str,
    needs_context: bool,
    refine: int = 0,
    client: object = None,
    progress: Callable[[int, int], None] | None = None,
) -> Latent:
    """Posterior means of z, after `refine` steps on each cell's own q, as a `Latent` with the labels of its cells.

    Ranges of cells are encoded one after the other, or on workers, to which the model travels once and cells as path and range.
    """
    workers = as_workers(client)
    n = screen.n_cells
    findings = _check_kind(fitted, screen)
    # Of the whole screen, so that a message counts all that is wrong with it.
    _contexts(fitted, screen, np.arange(n), needed=needs_context)
    _conditions(fitted, screen)
    here = workers.here
    job = _Job(
        fitted=fitted if here else None,
        packed=None if here else pack_model(fitted, name=name),
        refine=refine,
        needs_context=needs_context,
    )
    z = room((n, fitted.architecture.n_latent), np.float32)
    together = workers.n * (1 if here else TASKS_PER_WORKER)
    # Ranges of whole reads: batches are the same ones however many workers there are.
    step = CELLS_PER_READ * (1 if here else min(max(-(-n // (CELLS_PER_READ * together)), 1), READS_PER_TASK))
    ranges = [(start, min(start + step, n)) for start in range(0, n, step)]
    for first in range(0, len(ranges), together):
        wave = ranges[first : first + together]
        parts = workers.map(_encode_part, [screen.part(*each) for each in wave], shared=job)
        for (start, stop), part in zip(wave, parts, strict=True):
            z[start:stop] = part
        give_back(z)
        if progress is not None:
            progress(wave[-1][1], n)
    return as_latent(fitted, screen, z, name=name, findings=findings)


@torch.no_grad()
def _encode_part(screen: Screen, job: _Job) -> NDArray[np.float32]:
    """Coordinates of a range of cells, context columns left out, since they hold the context on purpose."""
    fitted = job.model()
    parts = []
    for batch in open_cells(fitted, screen, needs_context=job.needs_context).batches():
        posterior = fitted.module.encode(batch)
        if job.refine:
            posterior = refined(fitted.module, batch, posterior, n_steps=job.refine)
        parts.append(posterior.mean[:, : fitted.architecture.n_latent].cpu().numpy())
    return np.concatenate(parts)


def as_latent(
    fitted: Fitted, screen: Screen, z: NDArray[np.float32], *, name: str, findings: tuple[Finding, ...]
) -> Latent:
    """Wrap coordinates of all cells with what must travel with them."""
    trained = None
    if screen_mark(screen) == fitted.screen_mark:
        trained = np.zeros(screen.n_cells, dtype=np.bool_)
        trained[fitted.seen] = True
    a = fitted.architecture
    step = FittedStep(
        name="encoder",
        rows="train" if fitted.split_hash else "all",
        split_hash=fitted.split_hash,
        n_cells=len(fitted.seen),
    )
    return Latent(
        z=z,
        name=name,
        made_by=f"{a.likelihood} VAE, {a.n_latent} dimensions, context {fitted.context_column or 'none'}",
        labels=carried(screen),
        split_hash=fitted.split_hash,
        trained=trained,
        steps=(step,),
        findings=(*fitted.findings, *findings),
    )
