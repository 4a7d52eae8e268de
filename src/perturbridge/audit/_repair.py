"""The repair ladder: try the mildest repair, audit it on cells it was not fitted on, stop at the first that passes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._rng import spawn
from perturbridge.errors import LeakageError
from perturbridge.values import as_labels

from ._audit import audit_latent
from ._folds import random_folds
from ._repair_steps import CLOSED_FORM_STEPS, RepairCells
from ._settings import AuditSettings
from ._subject import label_subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import AuditReport, Labels, Latent

    from ._repair_steps import RepairStep

__all__ = ["Repair", "Rung", "repair_latent"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Rung:
    """One repair and its audit.

    Parameters
    ----------
    step
        `"as it is"` or the name of the repair.
    latent
        What it gave.
    report
        Its audit, on cells the repair was not fitted on where they are enough.
    """

    step: str
    latent: Latent
    report: AuditReport

    def as_json(self) -> dict[str, Any]:
        """Leak and biology kept, as plain JSON types."""
        names = [check.name for check in self.report.checks]
        leak = next((self.report[n] for n in ("readout_within", "readout_random") if n in names), None)
        kept = self.report["kept"]
        return {
            "step": self.step,
            "verdict": self.report.verdict,
            "leak_auc": None if leak is None else leak.effect,
            "leak_low": None if leak is None else leak.low,
            "leak_high": None if leak is None else leak.high,
            "kept": None if isnan(kept.effect) else kept.effect,
            "kept_what": kept.effect_name,
            "kept_verdict": kept.verdict,
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class Repair:
    """What the ladder did.

    Parameters
    ----------
    rungs
        In the order tried; the first is the latent as it is.
    chosen
        The rung that passed, or None.
    """

    rungs: tuple[Rung, ...]
    chosen: Rung | None

    @property
    def mildest(self) -> Rung | None:
        """The rung that passes, else the mildest after which transport may pair more cells than in the latent as it is; None without one."""
        if self.chosen is not None:
            return self.chosen
        allowed = ("nothing", "within context", "any pairs")
        ranks = [allowed.index(rung.report.allows) for rung in self.rungs]
        best = max(ranks)
        return self.rungs[ranks.index(best)] if best > ranks[0] else None

    def table(self) -> list[dict[str, Any]]:
        """Leak removed against biology lost, one row per rung."""
        return [rung.as_json() for rung in self.rungs]


def repair_latent(  # noqa: PLR0913 as audit_latent
    latent: Latent,
    *,
    context: str | ArrayLike | Labels,
    sample: str | ArrayLike | Labels | None = None,
    condition: str | ArrayLike | Labels | None = None,
    state: str | ArrayLike | Labels | None = None,
    control: NDArray[np.bool_] | Sequence[str] | None = None,
    reference: ArrayLike | None = None,
    report: AuditReport | None = None,
    steps: Sequence[RepairStep] = CLOSED_FORM_STEPS,
    settings: AuditSettings | None = None,
) -> Repair:
    """Climb from the mildest repair to the strongest, auditing each, and stop at the first that passes and keeps the biology.

    Half of the cells of each context and stratum fit the repairs, the other half audit them. Each step starts from the latent as it is.

    Parameters
    ----------
    latent
        To repair.
    context, sample, condition, state, control
        As in `audit_latent`.
    reference
        What biology is compared with; by default the latent as it is.
    report
        Its audit, where it was made already.
    steps
        In order of intrusiveness.
    settings
        Of every audit.

    Raises
    ------
    DataError
        If labels are missing or of the wrong length.
    """
    chosen = settings or AuditSettings()
    given = {"context": context, "sample": sample, "condition": condition, "state": state}
    groupings = {role: None if v is None else as_labels(role, v, latent) for role, v in given.items()}
    subject = label_subject(latent, groupings=groupings, control=control).loaded()
    codes, strata = subject.context.codes.astype(np.int64), subject.strata
    (rng,) = spawn(chosen.seed + 1, 1)
    fit = random_folds(codes, strata, n_folds=2, rng=rng) == 0
    cells = RepairCells(context=codes, strata=strata, fit=fit)

    def audit(candidate: Latent) -> AuditReport:
        # Steps are held against a run's split; without one the only halves are the ladder's own, which no earlier step could know.
        return audit_latent(
            candidate if latent.split_hash else replace(candidate, steps=()),
            **groupings,  # type: ignore[arg-type]
            control=subject.control,
            reference=latent.z if reference is None else reference,
            settings=chosen,
        )

    if report is not None and report.fingerprint != latent.fingerprint:
        problem = f"The audit is of latent {report.latent!r} ({report.fingerprint[:12]}), not of this one."
        raise LeakageError(problem, cure="Leave report= out, and the latent is audited here.")
    rungs = [Rung(step="as it is", latent=latent, report=audit(latent) if report is None else report)]
    for step in steps:
        if rungs[-1].report.verdict == "pass":
            break
        repaired = step.apply(latent, cells)
        rungs.append(Rung(step=step.name, latent=repaired, report=audit(repaired)))
    passed = rungs[-1] if rungs[-1].report.verdict == "pass" else None
    return Repair(rungs=tuple(rungs), chosen=passed)
