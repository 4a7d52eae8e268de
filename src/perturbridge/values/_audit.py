"""What an audit found: one record per check, and the report that opens or keeps shut the gate before transport."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from math import isnan, nan
from typing import TYPE_CHECKING, Any, Literal

from perturbridge._checks import FrozenMapping, one_of
from perturbridge.errors import DataError, LeakageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VERDICTS", "AuditReport", "Check", "Verdict"]

Verdict = Literal["info", "pass", "warn", "underpowered", "not_identifiable", "fail"]

VERDICTS: tuple[Verdict, ...] = ("info", "pass", "warn", "underpowered", "not_identifiable", "fail")
"""From harmless to grave; a report's verdict is the gravest of the checks that gate."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Check:
    """The answer to one question: effect size, interval, p-value, threshold, verdict, evidence and cure.

    Parameters
    ----------
    name
        Stable short name, such as `"readout_within"`.
    question
        What it answers, one sentence.
    verdict
        `"pass"`: the upper bound of the leak lies below the threshold. `"fail"`: the lower bound lies above it. `"warn"`: between.
        `"underpowered"`, `"not_identifiable"`: the design cannot answer. `"info"`: corroboration without a verdict.
    evidence
        What was found, one or two sentences with figures.
    cure
        What to do, empty where there is nothing to do.
    effect, effect_name, unit
        Effect size, what it is called, and its unit (empty for a pure number); NaN where there is none.
    low, high
        Interval of the effect, NaN where there is none; how it was made stands in `figures["interval"]`.
    p, p_attainable
        p-value and the smallest one this design could have given; NaN where there is none.
    threshold
        Tolerated effect, NaN where there is none.
    gates
        Whether it counts for the report's verdict.
    figures
        Everything behind it as plain JSON types: tables read by reports and plots.
    """

    name: str
    question: str
    verdict: Verdict
    evidence: str
    cure: str = ""
    effect: float = nan
    effect_name: str = ""
    unit: str = ""
    low: float = nan
    high: float = nan
    p: float = nan
    p_attainable: float = nan
    threshold: float = nan
    gates: bool = True
    figures: Mapping[str, Any] = field(default_factory=lambda: FrozenMapping({}))

    def __post_init__(self) -> None:
        one_of("verdict", self.verdict, VERDICTS)
        object.__setattr__(self, "figures", FrozenMapping(dict(self.figures)))

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types, NaN as null."""
        record = {f.name: getattr(self, f.name) for f in fields(self)} | {"figures": dict(self.figures)}
        return {key: None if isinstance(v, float) and isnan(v) else v for key, v in record.items()}

    @property
    def figure(self) -> str:
        """The effect with its interval and threshold as text, such as `AUC 0.873 [0.861, 0.885], tolerated 0.600`."""
        if isnan(self.effect):
            return ""
        interval = "" if isnan(self.low) and isnan(self.high) else f" [{self.low:.3f}, {self.high:.3f}]"
        tolerated = "" if isnan(self.threshold) else f", tolerated {self.threshold:.3f}"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.effect_name} {self.effect:.3f}{unit}{interval}{tolerated}"


@dataclass(frozen=True, eq=False, kw_only=True)
class AuditReport:
    """All checks of one latent, and what they allow.

    Parameters
    ----------
    latent
        Name of the latent.
    fingerprint
        `Latent.fingerprint` of what was audited.
    checks
        In the order they were made, with unique names.
    n_cells, n_dims
        Size of the latent.
    split_hash
        Of the split the latent was fitted under.
    settings
        Tolerances, seed, numbers of folds and permutations, as plain JSON types.
    override
        The reason for which a user opened the gate against the verdict; empty otherwise.
    """

    latent: str
    fingerprint: str
    checks: tuple[Check, ...]
    n_cells: int
    n_dims: int
    split_hash: str = ""
    settings: Mapping[str, Any] = field(default_factory=lambda: FrozenMapping({}))
    override: str = ""

    def __post_init__(self) -> None:
        names = [check.name for check in self.checks]
        if not names or len(set(names)) != len(names):
            problem = f"An audit needs checks with unique names, got {names}."
            raise DataError(problem, cure="Name each check once.")
        object.__setattr__(self, "settings", FrozenMapping(dict(self.settings)))

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict of the checks that gate; `"not_identifiable"` where none of them gave one."""
        gravest = max((VERDICTS.index(check.verdict) for check in self.checks if check.gates), default=0)
        return VERDICTS[gravest] if gravest else "not_identifiable"

    @property
    def decisive(self) -> Check:
        """The first check that gave the verdict, or the first of all."""
        return next((check for check in self.checks if check.gates and check.verdict == self.verdict), self.checks[0])

    @property
    def cure(self) -> str:
        """What to do about the decisive check."""
        return self.decisive.cure

    @property
    def allows(self) -> Literal["any pairs", "within context", "nothing"]:
        """Which cells transport may pair: `pass` and `warn` any, `underpowered` and `not_identifiable` those of one context."""
        if self.override or self.verdict in ("pass", "warn"):
            return "any pairs"
        return "nothing" if self.verdict == "fail" else "within context"

    def __getitem__(self, name: str) -> Check:
        """Return the check of that name."""
        for check in self.checks:
            if check.name == name:
                return check
        problem = f"The audit of {self.latent!r} holds no check {name!r}."
        raise DataError(problem, cure=f"It holds {', '.join(check.name for check in self.checks)}.")

    def require(self, fingerprint: str | None = None, *, pairs: str = "any pairs") -> AuditReport:
        """Return the report if it opens the gate for these pairs.

        Parameters
        ----------
        fingerprint
            Of the latent about to be used; None where it is the one audited by construction.
        pairs
            `"any pairs"`, or `"within context"` where cells are only ever paired inside one context.

        Raises
        ------
        LeakageError
            If the report is about another latent, or its verdict keeps the gate shut; names the check, the figure, the
            threshold and the cure.
        """
        one_of("pairs", pairs, ("any pairs", "within context"))
        if fingerprint is not None and fingerprint != self.fingerprint:
            problem = f"The audit is of latent {self.latent!r} ({self.fingerprint[:12]}), not of this one ({fingerprint[:12]})."
            raise LeakageError(problem, cure="Audit the latent that is to be used: audit_latent(latent, context=…).")
        if self.allows in ("any pairs", pairs):
            return self
        check = self.decisive
        figure = f" ({check.figure})" if check.figure else ""
        problem = f"The audit of latent {self.latent!r} says {self.verdict}: {check.name}{figure}. {check.evidence}"
        cure = check.cure or "Pair cells within their context, or choose another latent."
        raise LeakageError(problem, cure=cure)

    def overridden(self, reason: str) -> AuditReport:
        """Return the same report with the gate opened by hand; the reason goes into manifest and report.

        Raises
        ------
        DataError
            If the reason is empty.
        """
        if not reason.strip():
            problem = "An override has no reason."
            raise DataError(
                problem, cure="Say in one sentence why this latent may be used: it is written into the manifest."
            )
        return replace(self, override=reason.strip())

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types (NaN as null); `from_json` reads them back."""
        return {
            "schema": 1,
            "latent": self.latent,
            "fingerprint": self.fingerprint,
            "split_hash": self.split_hash,
            "n_cells": self.n_cells,
            "n_dims": self.n_dims,
            "verdict": self.verdict,
            "allows": self.allows,
            "override": self.override,
            "settings": dict(self.settings),
            "checks": [check.as_json() for check in self.checks],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AuditReport:
        """Build a report from `as_json`.

        Raises
        ------
        DataError
            If a field is missing or of the wrong type.
        """
        numbers = ("effect", "low", "high", "p", "p_attainable", "threshold")
        try:
            records: list[dict[str, Any]] = [dict(record) for record in data["checks"]]
            for record in records:
                record.update({key: nan for key in numbers if record[key] is None})
            checks = tuple(Check(**record) for record in records)
            return cls(
                latent=str(data["latent"]),
                fingerprint=str(data["fingerprint"]),
                checks=checks,
                n_cells=int(data["n_cells"]),
                n_dims=int(data["n_dims"]),
                split_hash=str(data["split_hash"]),
                settings=dict(data["settings"]),
                override=str(data["override"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            problem = f"This is not an audit: {type(error).__name__} at {error}."
            raise DataError(problem, cure="Use an audit.json written by perturbridge.") from error
