"""The canonical name of a perturbation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CONTROL", "PerturbationName", "as_names"]


@dataclass(frozen=True, order=True)
class PerturbationName:
    """The set of genes that a cell's perturbation targets, order-free: `A+B` is `B+A`; no gene at all is the control.

    Parameters
    ----------
    genes
        Gene names, sorted and unique. A plus sign inside a gene name is refused, since it joins genes in text.

    Examples
    --------
    >>> str(PerturbationName.of(["MYC", "KRAS"]))
    'KRAS+MYC'
    >>> PerturbationName.parse("MYC+KRAS") == PerturbationName.parse("KRAS+MYC")
    True
    """

    genes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.genes != tuple(sorted(set(self.genes))):
            problem = f"The genes of a perturbation are {self.genes}, which are not sorted and unique."
            raise DataError(problem, cure="Use PerturbationName.of, which sorts them.")
        bad = [gene for gene in self.genes if not gene or gene != gene.strip() or "+" in gene]
        if bad:
            problem = f"{bad[0]!r} cannot be a gene name (empty, padded with spaces, or with a plus sign)."
            raise DataError(problem, cure="Rename the gene, or split the label into its genes.")

    @classmethod
    def of(cls, genes: Iterable[str]) -> PerturbationName:
        """Return the name for these genes in any order; a gene given twice counts once."""
        return cls(tuple(sorted(set(genes))))

    @classmethod
    def parse(cls, text: str) -> PerturbationName:
        """Read the canonical text form, genes joined by `+`; labels in the wild are read by `screens.parse_label`."""
        return cls.of(part.strip() for part in text.split("+"))

    @property
    def is_control(self) -> bool:
        """True when no gene is targeted."""
        return not self.genes

    @property
    def is_single(self) -> bool:
        """True when exactly one gene is targeted."""
        return len(self.genes) == 1

    def __str__(self) -> str:
        return "+".join(self.genes) if self.genes else "control"


CONTROL = PerturbationName(())


def as_names(names: Iterable[str | PerturbationName]) -> tuple[PerturbationName, ...]:
    """Return perturbation names from canonical texts or names, in the order given.

    Raises
    ------
    DataError
        If two entries name the same perturbation, or one is the control.
    """
    parsed = tuple(n if isinstance(n, PerturbationName) else PerturbationName.parse(n) for n in names)
    if CONTROL in parsed:
        problem = f"Entry {parsed.index(CONTROL)} of the perturbations is the control, which has no effect of its own."
        raise DataError(problem, cure="Leave the control out.")
    if len(set(parsed)) != len(parsed):
        doubled = next(name for i, name in enumerate(parsed) if name in parsed[:i])
        problem = f"Perturbation {doubled} stands more than once ({len(parsed) - len(set(parsed))} repeats in all)."
        raise DataError(problem, cure="Name each perturbation once; A+B and B+A are the same.")
    return parsed
