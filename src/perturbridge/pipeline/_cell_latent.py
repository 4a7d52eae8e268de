"""The latent of a run: fitted on the training cells of one fold, audited, repaired where it does not pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perturbridge.values import AuditReport, Labels, Latent

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from perturbridge.audit import Repair
    from perturbridge.latent import LatentModel
    from perturbridge.values import Screen, Split

__all__ = ["NO_CONTEXT", "CellLatent", "audited", "encoded", "rows_of", "stored_bytes"]

N_LATENT = 16
# Counts that would take more memory than this are read from disk as they are needed.
MOST_IN_MEMORY = 4 << 30
NO_CONTEXT = "override: the screen names no context, so that no leak of one could be looked for"


@dataclass(frozen=True, eq=False, kw_only=True)
class CellLatent:
    """A latent of training cells, and what the audit says.

    Parameters
    ----------
    own
        As the model encoded it.
    used
        What is aligned: the same, or repaired.
    first, report
        Audits of both; None where the screen names no context.
    repair
        What the ladder did, None where it was not climbed.
    step
        The rung that is used, empty where the latent is used as it is.
    """

    own: Latent
    used: Latent
    first: AuditReport | None
    report: AuditReport | None
    repair: Repair | None
    step: str = ""


def rows_of(latent: Latent, rows: NDArray[np.int64], *, name: str | None = None) -> Latent:
    """Return some cells of a latent, with their labels."""
    return replace(
        latent,
        z=latent.z[rows],
        cells=latent.cells[rows],
        name=latent.name if name is None else name,
        labels={role: Labels(g.column, g.categories, g.codes[rows]) for role, g in latent.labels.items()},
        trained=None if latent.trained is None else latent.trained[rows],
    )


def encoded(
    screen: Screen,
    split: Split,
    *,
    fold: str,
    seed: int,
    device: str,
    progress: Callable[[str, int, int], None],
) -> tuple[LatentModel, Latent]:
    """Fit a VAE on the training cells of a fold, and encode every cell.

    Parameters
    ----------
    screen
        Cells.
    split, fold
        Whose training cells.
    seed, device
        Of the training.
    progress
        Called with a stage, steps done and steps in all.
    """
    from perturbridge.latent import Architecture, LatentModel, Training

    from ._latent_steps import likelihood_of

    architecture = Architecture(n_latent=N_LATENT, likelihood=likelihood_of(screen))  # type: ignore[arg-type]
    training = Training(seed=seed, device=device, stream=stored_bytes(screen) > MOST_IN_MEMORY)
    model = LatentModel(architecture=architecture, training=training, name="VAE-16")
    model.fit(screen, split=split, fold=fold, progress=lambda i, n: progress("latent", i, n))
    latent = model.encode(screen, unseen="encode", progress=lambda i, n: progress("encoding", i, n))
    return model, latent


def stored_bytes(screen: Screen) -> int:
    """Memory that the counts would take: a value and an index of four bytes each for all that are stored."""
    ends = screen.source.row_ends()
    n_stored = screen.n_cells * screen.n_genes if ends is None else int(ends[-1]) if len(ends) else 0
    return 8 * n_stored


def audited(latent: Latent, *, seed: int, progress: Callable[[str, int, int], None]) -> CellLatent:
    """Audit the training cells of a latent; where it does not pass, climb the repairs in closed form.

    Parameters
    ----------
    latent
        Of training cells alone, with their labels.
    seed
        Of audits and repairs.
    progress
        Called with a stage, steps done and steps in all.
    """
    from perturbridge.audit import AuditSettings, audit_latent, repair_latent

    if "context" not in latent.labels:
        return CellLatent(own=latent, used=latent, first=None, report=None, repair=None)
    settings = AuditSettings(seed=seed)
    roles = {role: latent.labels.get(role) for role in ("context", "sample", "condition", "state")}
    progress("audits", 0, 2)
    report = audit_latent(latent, **roles, split_hash=latent.split_hash, settings=settings)  # type: ignore[arg-type]
    progress("audits", 1, 2)
    repair = None
    if report.verdict in ("fail", "warn"):
        repair = repair_latent(latent, **roles, report=report, settings=settings)  # type: ignore[arg-type]
    progress("audits", 2, 2)
    chosen = None if repair is None else repair.mildest
    if chosen is None:
        return CellLatent(own=latent, used=latent, first=report, report=report, repair=repair)
    used = replace(chosen.latent, labels=latent.labels, trained=latent.trained)
    return CellLatent(own=latent, used=used, first=report, report=chosen.report, repair=repair, step=chosen.step)
