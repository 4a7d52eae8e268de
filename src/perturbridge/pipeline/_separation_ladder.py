"""Strengths of separation searched by the audit: the mildest setting whose latent passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perturbridge.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perturbridge.latent import Separation
    from perturbridge.values import AuditReport, Latent

__all__ = ["Climb", "SeparationRung", "climb_separations", "separation_ladder"]


@dataclass(frozen=True, eq=False, kw_only=True)
class SeparationRung:
    """One setting, the latent it gave and its audit.

    Parameters
    ----------
    separations
        What was asked.
    latent
        What the fit gave.
    report
        What the audit said of it.
    """

    separations: tuple[Separation, ...]
    latent: Latent
    report: AuditReport


@dataclass(frozen=True, eq=False, kw_only=True)
class Climb:
    """How far the ladder was climbed.

    Parameters
    ----------
    rungs
        Every setting that was tried, mildest first; the search ends with the first that passes.
    """

    rungs: tuple[SeparationRung, ...]

    @property
    def passed(self) -> SeparationRung | None:
        """The setting that passes, or None where none does: the next step is a repair, or the end."""
        return self.rungs[-1] if self.rungs[-1].report.verdict == "pass" else None


def separation_ladder() -> tuple[tuple[Separation, ...], ...]:
    """Return settings from none, over MMD alone, to MMD with an adversary, each within perturbation and state."""
    from perturbridge.latent import Separation

    def mmd(strength: float) -> Separation:
        return Separation(kind="mmd", strength=strength)

    adversary = Separation(kind="adversary", strength=3.0)
    return ((), (mmd(10.0),), (mmd(20.0),), (mmd(20.0), adversary), (mmd(60.0), adversary))


def climb_separations(
    ladder: Sequence[tuple[Separation, ...]],
    *,
    fit: Callable[[tuple[Separation, ...]], Latent],
    audit: Callable[[Latent], AuditReport],
) -> Climb:
    """Fit and audit setting after setting until one passes.

    The audit that chooses has been used up: audit the chosen latent once more on cells that neither the fit nor this search saw.

    Parameters
    ----------
    ladder
        Settings, mildest first.
    fit
        Gives the latent of a setting; called once for each that is tried.
    audit
        Judges a latent, on cells the fit did not see.

    Raises
    ------
    FitError
        If the ladder is empty.
    """
    rungs: list[SeparationRung] = []
    for separations in ladder:
        latent = fit(separations)
        rungs.append(SeparationRung(separations=separations, latent=latent, report=audit(latent)))
        if rungs[-1].report.verdict == "pass":
            break
    if not rungs:
        problem = "The ladder of separations has no rung."
        raise FitError(problem, cure="Pass at least one setting, such as those of separation_ladder().")
    return Climb(rungs=tuple(rungs))
