"""Perturbation labels in the wild ▸ canonical names: every spelling in use, one parser."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from perturbridge.values import CONTROL, PerturbationName

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "LabelRule",
    "control_kind",
    "control_kinds",
    "is_control_label",
    "is_unassigned_label",
    "kind_of_controls",
    "parse_label",
    "rule_for",
]

# Matched against the label in lower case with runs of spaces, underscores and hyphens as one hyphen.
_KINDS = MappingProxyType(
    {
        "non-targeting": r"non-?target(ing|ed)?(-?(control|ctrl))?s?|no-?target(ing)?|nt|ntc|scrambled?"
        r"|gal4(-\d+)?\(mod\)|63\(mod\)|no-(non-gene-|intergenic-)?site",
        "safe-targeting": r"safe-?target(ing|ed)?(-?(control|ctrl))?|safe-?harbou?r|aavs1|rosa26",
        "intergenic": r"intergenic|one-(non-gene-|intergenic-)?site",
        "reporter": r"luciferase|lacz|e?gfp",
        "untreated": r"unperturbed|untreated|mock|empty-?vector|vehicle|dmso(-tf)?",
        "control": r"control|ctrl|neg(ative)?-?(control|ctrl)|\d+x-?neg-?(control|ctrl)",
    }
)
_OF_KIND = MappingProxyType(
    {
        kind: re.compile(rf"(sg)?-?({pattern})(-?(sgrna|grna|guide|sg|g)?[-:]?\d++|-(sgrna|grna|guide))*")
        for kind, pattern in _KINDS.items()
    }
)
_PREFERRED = ("non-targeting", "control", "safe-targeting", "intergenic", "reporter", "untreated", "mixed")
_UNASSIGNED = re.compile(
    r"""|\*|-|nan|na|n/a|none|null|<na>|un-?assigned|not-?assigned|unknown|unmapped|undetermined|ambiguous|negative
    |multiplets?|doublets?|multiple|multi(ple)?-?(guide|grna|sgrna)s?|no-?(guide|grna|sgrna)s?""",
    re.VERBOSE,
)
_SPACING = re.compile(r"[\s_\-]+")
_JOINERS = re.compile(r"\|\||[+|;,]")
_SUFFIX = re.compile(r"(?:_p[A-Z]{1,3}\d++(?:-\d++)?|_only)+$")
# Guides as the human CRISPRi libraries name them: strand, position and the promoters they serve.
_PROMOTER = re.compile(r"_[+\-]_\d+(?:\.\d+)?-[\w.]+")
# A guide number without a joint, and one behind a joint that genes have too (NKX2-1, AC118549.1).
_NUMBERED = re.compile(r"(?<=[A-Za-z0-9])[-_.]?(?:sgrna|grna|guide|sg|g)[-_.]?\d{1,3}$")
_JOINTED = re.compile(r"(?<=[A-Za-z0-9])[-.#]\d{1,2}$")
_GUIDE = re.compile(r"_(?:sgrna|grna|guide|sg|g)?\d{1,3}$", re.IGNORECASE)
# The epistasis plasmids of Adamson 2016 name pathway arms instead of the genes behind them.
_ARMS = frozenset({"PERK", "IRE1", "ATF6"})
_LONGEST = 2000


@dataclass(frozen=True)
class LabelRule:
    """How the labels of one column are to be read.

    Parameters
    ----------
    controls
        Labels that are controls; empty: every usual spelling of a control is. Where it is not empty, a cell with a usual
        spelling that was left out counts as unassigned, since it is neither.
    targets
        Labels that are genes although they read like a control: `CTRL` is a human gene.
    genes
        Names known to be genes: measured ones, and those that stand alone in the column. An underscore joins genes only where
        every part is known.
    numbered
        True where most labels of the column end in a guide number without a joint (`STAT2g1`), which then is taken off.
    """

    controls: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    genes: frozenset[str] = frozenset()
    numbered: bool = False


def control_kind(label: str) -> str:
    """Return the kind of control that a label reads like, or an empty string.

    `"non-targeting"`, `"safe-targeting"` (cuts where nothing is), `"intergenic"`, `"reporter"` (targets a gene cells lack),
    `"untreated"` or `"control"`, which does not say.
    """
    plain = _plain(label)
    return next((kind for kind, pattern in _OF_KIND.items() if pattern.fullmatch(plain)), "")


def control_kinds() -> tuple[str, ...]:
    """Return the kinds that `control_kind` tells apart, the one to compare with first: what a baseline is made of by default."""
    return _PREFERRED


def kind_of_controls(label: str) -> str:
    """Return the kind of control of a cell, which may have several guides (`non-targeting_1|non-targeting_7`).

    `"mixed"` where they are of several kinds, `"control"` for a label that reads like none.
    """
    own = control_kind(label)
    if own:
        return own
    left, _, right = label.partition("__")
    parts = left.split("_") if right and left == right else _JOINERS.split(label)
    kinds = {control_kind(part) for part in parts}
    if "" in kinds:
        return "control"
    return kinds.pop() if len(kinds) == 1 else "mixed"


def is_control_label(label: str) -> bool:
    """True for the usual spellings of a control: `ctrl`, `control`, `non-targeting_0012`, `NTC`, `NegCtrl3`, `INTERGENIC77`, …."""
    return control_kind(label) != ""


def is_unassigned_label(label: str) -> bool:
    """True for the usual ways to say that the perturbation of a cell is not known: empty, `nan`, `na`, `unassigned`, `multiplet`, …."""
    return _UNASSIGNED.fullmatch(_plain(label)) is not None


def parse_label(label: str, *, rule: LabelRule | None = None) -> PerturbationName | None:
    """Read the perturbation of a cell from its label.

    Control parts fall away (`A+ctrl` is `A`), order and repeats do not matter (`B+A` is `A+B`, `A+A` is `A`).

    Parameters
    ----------
    label
        As it stands in the file, in any spelling that public screens use: `A+B`, `A_B`, `A || B`, `A_1,B_3`, `A_B__A_B`,
        `A_NegCtrl0__A_NegCtrl0`, `A_pDS031`, `A_only`, `A_+_89323455.23-P1P2`, `Ag1`, ….
    rule
        Which labels are controls and which names are genes; without one, usual spellings and no known gene.

    Returns
    -------
    PerturbationName or None
        `CONTROL` for a control, None for a cell whose perturbation is not known (or whose label has over 2,000 characters).

    Examples
    --------
    >>> str(parse_label("MYC+ctrl"))
    'MYC'
    >>> str(parse_label("MYC_KRAS", rule=LabelRule(genes=frozenset({"MYC", "KRAS"}))))
    'KRAS+MYC'
    >>> parse_label("multiplet") is None
    True
    """
    rule = rule or LabelRule()
    text = _PROMOTER.sub("", label.strip())
    if text in rule.controls or label.strip() in rule.controls:
        return CONTROL
    if text in rule.targets:
        return PerturbationName((text,))
    if len(text) > _LONGEST:
        return None
    if is_control_label(text):
        return None if rule.controls else CONTROL
    left, twice, right = text.partition("__")
    if twice and left == right:
        # Both guide positions were written out, so that here an underscore always joins.
        return _combined(left.split("_"), rule)
    return _combined([text] if text in rule.genes else _JOINERS.split(text), rule)


def rule_for(labels: Iterable[str], *, genes: Iterable[str] = (), controls: Iterable[str] = ()) -> LabelRule:
    """Return the rule for a column: genes that stand alone in it are known, and `CTRL` is a gene where another control is.

    Parameters
    ----------
    labels
        All labels of the column.
    genes
        Measured genes.
    controls
        Labels that are controls; empty: usual spellings.
    """
    stripped = [label.strip() for label in labels]
    named = frozenset(label.strip() for label in controls)
    others = named - {"CTRL"} or {label for label in stripped if label != "CTRL" and is_control_label(label)}
    targets = frozenset({"CTRL"} if others and "CTRL" not in named else ())
    known = frozenset(gene for gene in genes if gene and "+" not in gene)
    rule = LabelRule(named, targets, known, _mostly_numbered(stripped, known))
    parsed = (parse_label(label, rule=rule) for label in stripped)
    alone = {name.genes[0] for name in parsed if name is not None and name.is_single and "_" not in name.genes[0]}
    return replace(rule, genes=rule.genes | alone)


def _mostly_numbered(labels: Iterable[str], genes: frozenset[str]) -> bool:
    """Say whether at least half of what the labels name ends in a guide number and is no gene."""
    parts = {part.strip() for label in labels for part in _JOINERS.split(label) if part.strip()}
    named = [part for part in parts if not is_control_label(part) and not is_unassigned_label(part)]
    return 2 * sum(part not in genes and _NUMBERED.search(part) is not None for part in named) >= max(len(named), 1)


def _plain(label: str) -> str:
    return _SPACING.sub("-", label.strip()).casefold()


def _combined(texts: list[str], rule: LabelRule) -> PerturbationName | None:
    parts = [_part(text.strip(), rule) for text in texts]
    known = [part for part in parts if part is not None]
    return PerturbationName.of(gene for part in known for gene in part) if len(known) == len(parts) else None


def _part(text: str, rule: LabelRule) -> tuple[str, ...] | None:
    """Genes of one part of a label; none for a control, None where the part says that nothing is known."""
    if text in rule.controls or (is_control_label(text) and text not in rule.targets):
        return ()
    if text in rule.genes or text in rule.targets:
        return (text,)
    if is_unassigned_label(text):
        return None
    bare = _SUFFIX.sub("", text)
    if bare not in (text, ""):
        return _part(bare, replace(rule, genes=rule.genes | _ARMS))
    split = _underscored(text, rule)
    return (_without_guide(text, rule),) if split is None else split


def _without_guide(text: str, rule: LabelRule) -> str:
    """Take a guide number off: behind an underscore, without a joint where the column has such, behind others before a known gene."""
    bare = _GUIDE.sub("", text)
    if bare == text and rule.numbered:
        bare = _NUMBERED.sub("", text)
    if bare == text and (stem := _JOINTED.sub("", text)) in rule.genes:
        bare = stem
    return bare or text


def _underscored(text: str, rule: LabelRule) -> tuple[str, ...] | None:
    """Genes of `A_B` where every part is a known gene or a control, or of `A_ctrl`; None for other text."""
    parts = text.split("_")
    genes = [part for part in parts if part in rule.targets or not (part in rule.controls or is_control_label(part))]
    certain = all(gene in rule.genes or gene in rule.targets for gene in genes)
    if len(parts) > 1 and (certain or len(genes) == 1 < len(parts)) and "" not in genes:
        return tuple(genes)
    return None
