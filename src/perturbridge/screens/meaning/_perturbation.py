"""Which column names the perturbation of a cell, and what its labels mean."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np

from perturbridge.errors import DataError
from perturbridge.screens.files._column import Column
from perturbridge.values import CONTROL, CONTROL_CODE, UNASSIGNED_CODE, Finding, Labels, PerturbationName

from ._genes import GeneTable, is_ensembl, without_version
from ._labels import LabelRule, control_kind, control_kinds, is_control_label, kind_of_controls, parse_label, rule_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray


__all__ = ["Reading", "named_controls", "no_control", "only_controls", "read_labels"]

_N_LISTED = 8
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Reading:
    """What the labels of one column mean.

    Parameters
    ----------
    column
        The labels.
    rule
        How they were read.
    names
        Perturbation of each label `(n_labels,)`; None for unassigned, and for controls that are not the baseline.
    apart
        Labels of controls that are not the baseline, with their kind.
    """

    column: Column
    rule: LabelRule
    names: tuple[PerturbationName | None, ...]
    apart: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def perturbations(self) -> tuple[PerturbationName, ...]:
        """Perturbations that at least one cell has, sorted."""
        return tuple(sorted({name for _, name, _ in self._rows() if name is not None and name != CONTROL}))

    @cached_property
    def codes(self) -> NDArray[np.int32]:
        """For each cell an index into `perturbations`, `CONTROL_CODE` or `UNASSIGNED_CODE`."""
        position = {name: i for i, name in enumerate(self.perturbations)} | {CONTROL: CONTROL_CODE}
        table = [UNASSIGNED_CODE if name is None else position.get(name, UNASSIGNED_CODE) for name in self.names]
        return np.array([*table, UNASSIGNED_CODE], dtype=np.int32)[self.column.codes]

    @cached_property
    def controls(self) -> dict[str, int]:
        """Control labels and their cells, the most frequent first."""
        return self._cells_of(CONTROL)

    @property
    def is_usable(self) -> bool:
        """True if there are controls and perturbations."""
        return bool(self.controls) and bool(self.perturbations)

    def share_measured(self, genes: frozenset[str]) -> float:
        """Share of the targeted genes that are measured."""
        targets = {gene for name in self.perturbations for gene in name.genes}
        return len(targets & genes) / len(targets) if targets else 0.0

    def _cells_of(self, wanted: PerturbationName | None) -> dict[str, int]:
        rows = [(label, n) for label, name, n in self._rows() if name == wanted]
        return dict(sorted(rows, key=lambda row: (-row[1], row[0])))

    def _rows(self) -> list[tuple[str, PerturbationName | None, int]]:
        """Labels that occur, with what they mean and their cells."""
        rows = zip(self.column.labels, self.names, self.column.counts.tolist(), strict=True)
        return [(label, name, n) for label, name, n in rows if n]

    def unassigned(self) -> dict[str, int]:
        """Labels that name no perturbation and their cells, empty labels as `""`."""
        blank = int(np.count_nonzero(self.column.codes < 0))
        unknown = {label: n for label, n in self._cells_of(None).items() if label not in self.apart}
        return unknown | ({"": blank} if blank else {})

    def findings(self) -> tuple[Finding, ...]:
        """What the labels hide: cells left out, guides joined, several kinds of controls."""
        found = [
            self._unassigned_finding(),
            self._unresolved_finding(),
            self._joined_finding(),
            self._kinds_finding(),
            self._decoded_finding(),
        ]
        return tuple(finding for finding in found if finding is not None)

    def control_kinds(self) -> Labels:
        """Kind of each cell of the baseline; -1 for every other cell."""
        return self._kinds({label: kind_of_controls(unquote(label)) for label in self.controls})

    def other_controls(self) -> Labels | None:
        """Kind of each control cell that is not the baseline, -1 for every other cell; None where there is none."""
        return self._kinds(self.apart) if self.apart else None

    def _kinds(self, kind_of: Mapping[str, str]) -> Labels:
        kinds = tuple(sorted(set(kind_of.values())))
        table = [kinds.index(kind_of[label]) if label in kind_of else -1 for label in self.column.labels]
        return Labels("kind of control", kinds, np.array([*table, -1], dtype=np.int32)[self.column.codes])

    def _kinds_finding(self) -> Finding | None:
        baseline, others = self._by_kind(self.controls), self._by_kind(self._cells_of(None), known=self.apart)
        if len(baseline) + len(others) < 2:
            return None
        shown = " and ".join(f"{kind} {n:,}" for kind, n in baseline.items())
        if not others:
            message = f"The baseline pools {len(baseline)} kinds of controls: {shown} cells; control={next(iter(baseline))!r} takes one."
            return Finding(level="warning", code="several_control_kinds", message=message, count=sum(baseline.values()))
        apart = ", ".join(f"{kind} {n:,}" for kind, n in others.items())
        every = " ".join(f"--control {kind}" for kind in (*baseline, *others))
        message = (
            f"Controls are of several kinds: the baseline is {shown} cells; {sum(others.values()):,} cells are kept apart, summed by themselves "
            f"and never predicted ({apart}). To choose another baseline name its kinds ({every} pools them all)."
        )
        return Finding(
            level="warning",
            code="several_control_kinds",
            message=message,
            count=sum(others.values()),
            example=next(iter(others)),
        )

    def _by_kind(self, labels: Mapping[str, int], *, known: Mapping[str, str] | None = None) -> dict[str, int]:
        """Cells of each kind, the most frequent first."""
        kinds: dict[str, int] = {}
        for label, n in labels.items():
            if known is None or label in known:
                kind = kind_of_controls(unquote(label)) if known is None else known[label]
                kinds[kind] = kinds.get(kind, 0) + n
        return dict(sorted(kinds.items(), key=lambda row: (-row[1], row[0])))

    def _decoded_finding(self) -> Finding | None:
        coded = [label for label, _, _ in self._rows() if _ESCAPE.search(label)]
        if not coded:
            return None
        message = f"{len(coded)} labels were percent-encoded and are decoded ({coded[0]!r} as {unquote(coded[0])!r})."
        return Finding(level="info", code="labels_decoded", message=message, count=len(coded), example=coded[0])

    def _unassigned_finding(self) -> Finding | None:
        left_out = self.unassigned()
        n = sum(left_out.values())
        if not n:
            return None
        shown = listed(left_out)
        passed = [label for label in left_out if is_control_label(label)]
        cure = (
            f"; {passed[0]!r} reads like a control but is not among those used, add it to control= if it is one"
            if passed
            else ""
        )
        message = f"{len(left_out)} labels name no perturbation ({shown}){cure}."
        return Finding(
            level="warning", code="unassigned_labels", message=message, count=n, example=next(iter(left_out))
        )

    def _unresolved_finding(self) -> Finding | None:
        odd = [
            n.genes[0]
            for n in self.perturbations
            if n.is_single and "_" in n.genes[0] and n.genes[0] not in self.rule.genes
        ]
        if not odd:
            return None
        message = (
            f"{len(odd)} labels hold an underscore, but not all their parts are known genes; each is taken as one name."
        )
        return Finding(level="warning", code="labels_not_split", message=message, count=len(odd), example=odd[0])

    def _joined_finding(self) -> Finding | None:
        named: dict[PerturbationName, list[str]] = {}
        for label, name, _ in self._rows():
            if name is not None and name != CONTROL:
                named.setdefault(name, []).append(label)
        joined = {name: labels for name, labels in named.items() if len(labels) > 1}
        if not joined:
            return None
        name, labels = next(iter(joined.items()))
        message = (
            f"{sum(map(len, joined.values()))} labels name {len(joined)} perturbations in several ways and are joined."
        )
        return Finding(
            level="info",
            code="labels_joined",
            message=message,
            count=len(joined),
            example=f"{name}: {', '.join(labels[:3])}",
        )


def listed(counts: Mapping[str, int], *, n: int = _N_LISTED) -> str:
    """Return labels with their cells, for a message; the most frequent first, those beyond `n` counted."""
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    rest = f" and {len(rows) - n} more" if len(rows) > n else ""
    return ", ".join(f"{label!r} {count:,}" for label, count in rows[:n]) + rest


def read_labels(column: Column, genes: GeneTable, *, controls: Iterable[str] = ()) -> Reading:
    """Read every label of a column.

    Parameters
    ----------
    column
        The labels.
    genes
        The measured genes, which tell where an underscore joins; ids among the labels become names.
    controls
        Labels that are the baseline, or kinds of controls (`control_kinds`); empty: usual spellings of the first of these kinds that
        occurs, `INTERGENIC…` alone where both it and a plain `control` stand. Controls of other kinds are kept apart. The empty text
        makes cells without a label controls.
    """
    if "" in controls:
        column = _blank_as_label(column)
    there = {label for label, n in zip(column.labels, column.counts.tolist(), strict=True) if n}
    occurring = [unquote(label) for label in column.labels if label in there]
    named = frozenset(named_controls(column, controls)) or _intergenic_only(occurring)
    rule = rule_for(occurring, genes=genes.names, controls=map(unquote, named))
    by_id = genes.by_id()
    parsed = {label: parse_label(unquote(label), rule=rule) for label in column.labels}
    apart = _apart(
        {label: parsed[label] for label in column.labels if label in there}, rule, asked=bool(tuple(controls))
    )
    names = tuple(None if label in apart else _translated(parsed[label], by_id) for label in column.labels)
    return Reading(column=column, rule=rule, names=names, apart=apart)


def _apart(parsed: Mapping[str, PerturbationName | None], rule: LabelRule, *, asked: bool) -> dict[str, str]:
    """Return the labels of controls that are not the baseline, with their kind.

    Without a word of the user's the baseline is one kind. With it, what was named is the baseline and every other label that reads like a
    control is not; what means the same in other words (`ctrl+ctrl`) stays with it.
    """
    kinds = {label: kind_of_controls(unquote(label)) for label, name in parsed.items() if name == CONTROL}
    if not rule.controls:
        baseline = next((kind for kind in control_kinds() if kind in kinds.values()), "")
        return {label: kind for label, kind in kinds.items() if kind != baseline}
    named = {kind for label, kind in kinds.items() if unquote(label).strip() in rule.controls}
    joined = {
        label: kind
        for label, kind in kinds.items()
        if unquote(label).strip() not in rule.controls and kind not in named
    }
    # Where nobody was asked these cells carry no guide, so that they are no controls at all.
    passed = [label for label, name in parsed.items() if name is None and asked]
    return joined | {label: kind for label in passed if (kind := control_kind(unquote(label)))}


def named_controls(column: Column, controls: Iterable[str]) -> tuple[str, ...]:
    """Return the labels meant: those named, and for the name of a kind of control that is no label itself, all of that kind."""
    there = [label for label, n in zip(column.labels, column.counts.tolist(), strict=True) if n]
    meant: list[str] = []
    for name in controls:
        of_kind = [label for label in there if _is_of_kind(unquote(label), name)]
        meant += of_kind if name not in there and name in control_kinds() and of_kind else [name]
    return tuple(dict.fromkeys(meant))


def _is_of_kind(label: str, kind: str) -> bool:
    return kind_of_controls(label) == kind and parse_label(label) == CONTROL


def _blank_as_label(column: Column) -> Column:
    """Return the column with its empty cells under the label `""`."""
    codes = np.where(column.codes < 0, np.int32(len(column.labels)), column.codes)
    return Column(column.name, (*column.labels, ""), codes.astype(np.int32), column.kind)


def _intergenic_only(labels: Sequence[str]) -> frozenset[str]:
    """In files that have both, cells without any guide were tagged `control`; the guides that hit no gene are the controls."""
    between = frozenset(label for label in labels if is_control_label(label) and "intergenic" in label.casefold())
    plain = any(label.strip().casefold() in ("control", "ctrl") for label in labels)
    told = any(kind_of_controls(label) == "non-targeting" for label in labels)
    return between if plain and not told else frozenset()


def _translated(name: PerturbationName | None, by_id: Mapping[str, str]) -> PerturbationName | None:
    if name is None or not by_id or not any(is_ensembl(gene) for gene in name.genes):
        return name
    return PerturbationName.of(by_id.get(without_version(gene), gene) for gene in name.genes)


def no_control(column: Column, *, asked: Sequence[str] = ()) -> DataError:
    """Return the error for a column without control labels, which lists the labels that were seen."""
    seen = listed({label: n for label, n in zip(column.labels, column.counts.tolist(), strict=True) if n})
    what = (
        f"none of the control labels {', '.join(map(repr, asked))}" if asked else "no label that reads like a control"
    )
    problem = f"Column {column.name!r} has {what}; its labels are {seen or 'all empty'}."
    blank = int(np.count_nonzero(column.codes < 0))
    if blank:
        cure = f"{blank:,} cells have no label: say control='' (--control '') if these are the controls, else which label is."
        return DataError(problem, cure=cure)
    return DataError(
        problem,
        cure="Say which label is the control (control=), or which column names the perturbation (perturbation=).",
    )


def only_controls(reading: Reading) -> DataError:
    """Return the error for a column whose cells are all controls."""
    problem = f"Column {reading.column.name!r} holds controls only ({listed(reading.controls)})."
    return DataError(problem, cure="Say which column names the perturbation (perturbation=).")
