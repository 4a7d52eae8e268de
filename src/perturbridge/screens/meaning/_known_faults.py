"""Faults of public files that many have copied, recognized by their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perturbridge.values import Finding

if TYPE_CHECKING:
    from ._detect import ChosenLabels

__all__ = ["known_faults"]

# Targets of the unfolded-protein-response library of Adamson 2016 that other screens rarely share.
_ADAMSON = frozenset(
    {"HSPA5", "HSPA9", "SEC61A1", "SAMM50", "IER3IP1", "SCYL1", "YIPF5", "DDRGK1", "SPCS3", "SRP72", "TELO2", "GBF1"}
)
_RECOGNIZED = 4


def known_faults(labels: ChosenLabels) -> tuple[Finding, ...]:
    """Return what is known to be wrong with this file.

    The Adamson 2016 file of the GEARS benchmark, and what was cut from it: a published reconciliation with the deposited data
    (pfizer-opensource/perturb_seq) finds 13,647 of its 24,263 `ctrl` cells among the mostly doubly perturbed cells of the
    epistasis experiment.
    """
    reading = labels.reading
    targets = {gene for name in reading.perturbations for gene in name.genes}
    spelled = {label.partition("+")[2] for label in reading.column.labels if "+" in label}
    if "ctrl" not in reading.controls or not spelled <= {"ctrl"} or len(targets & _ADAMSON) < _RECOGNIZED:
        return ()
    n = sum(reading.controls.values())
    message = (
        "This looks like the Adamson 2016 file of the GEARS benchmark: by a published comparison with the deposited data, over half "
        "of its `ctrl` cells (13,647 of 24,263) are perturbed cells of another experiment; effects measured against the "
        f"{n:,} `ctrl` cells here cannot be trusted."
    )
    return (Finding(level="warning", code="gears_adamson_controls", message=message, count=n, example="ctrl"),)
