"""Splits of other programs: the pickles of GEARS, the TOML of STATE and cell-load, and tables."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._files import guard_formula, unguard_formula
from perturbridge._pickles import pickle_of_lists, safe_unpickle
from perturbridge.errors import DataError, PerturbridgeError
from perturbridge.screens.meaning._labels import LabelRule, parse_label
from perturbridge.values import CONTROL, Fold, PerturbationName, Split

from ._splits import seen_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["gears_bytes", "read_gears", "read_state", "read_table", "state_text", "table_text"]

_SUBGROUPS = (("combo_seen0", "0/2 seen"), ("combo_seen1", "1/2 seen"), ("combo_seen2", "2/2 seen"), ("unseen_single", "single unseen"))  # fmt: skip
_VALIDATED_OF = 10
_TITLES = ("fold", "perturbation", "side", "stratum", "held_out", "by")
_CURE_GEARS = "Pass the pickle of set2conditions, a dict of train, val and test with lists of conditions."


def _names(labels: Iterable[str], *, genes: frozenset[str] = frozenset()) -> tuple[PerturbationName, ...]:
    """Return perturbations in order, each once, controls left out."""
    parsed = (parse_label(str(label), rule=LabelRule(genes=genes)) for label in labels)
    return tuple(dict.fromkeys(name for name in parsed if name is not None and name.genes))


def _fold(name: str, train: Sequence[PerturbationName], test: Sequence[PerturbationName]) -> Fold:
    seen = {gene for one in train for gene in one.genes}
    return Fold(name=name, train=tuple(train), test=tuple(test), strata=tuple(seen_label(one, seen) for one in test))


def read_gears(path: Path) -> Split:
    """Read `set2conditions` of GEARS without running anything; validation conditions are training rows here.

    Strata are those of GEARS where the file of subgroups lies beside it (`…_subgroup.pkl`), else they are counted.

    Raises
    ------
    DataError
        If the pickle asks for code, or is no dict of train, val and test.
    """
    sets = _unpickled(path)
    if not isinstance(sets, dict) or not {"train", "test"} <= set(sets):
        problem = f"{path} holds no dict of train and test: {type(sets).__name__} {str(list(sets) if isinstance(sets, dict) else sets)[:80]}."
        raise DataError(problem, cure=_CURE_GEARS)
    lists = {key: _texts(sets[key], path=path) for key in ("train", "val", "test") if key in sets}
    fold = _fold("gears", _names([*lists["train"], *lists.get("val", [])]), _names(lists["test"]))
    subgroups = _subgroups(path)
    if subgroups:
        strata = tuple(subgroups.get(name, label) for name, label in zip(fold.test, fold.strata, strict=True))
        fold = replace(fold, strata=strata)
    return Split(kind="gears", seed=0, folds=(fold,))


def _unpickled(path: Path) -> Any:  # noqa: ANN401 - whatever a plain pickle holds
    try:
        with path.open("rb") as handle:
            return safe_unpickle(handle, where=str(path))
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}."
        raise DataError(problem, cure=_CURE_GEARS) from error
    except DataError:
        raise
    except PerturbridgeError as error:
        raise DataError(error.problem, cure=_CURE_GEARS) from error


def _texts(value: object, *, path: Path) -> list[str]:
    items = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        problem = f"{path} holds a {type(value).__name__} where a list of conditions is expected."
        raise DataError(problem, cure=_CURE_GEARS)
    return list(items)


def _subgroups(path: Path) -> dict[PerturbationName, str]:
    beside = path.with_name(f"{path.stem}_subgroup{path.suffix}")
    if not beside.is_file():
        return {}
    told = _unpickled(beside)
    groups = told.get("test_subgroup", {}) if isinstance(told, dict) else {}
    return {
        name: stratum
        for key, stratum in _SUBGROUPS
        if key in groups
        for name in _names(_texts(groups[key], path=beside))
    }


def read_state(path: Path, perturbations: Sequence[PerturbationName] | None) -> Split:
    """Read the TOML of STATE and cell-load: `[zeroshot]` holds out whole contexts, `[fewshot]` perturbations of one context.

    Raises
    ------
    DataError
        If it is not TOML of that form, mixes both, or names test perturbations alone and `perturbations` is not given.
    """
    cure = 'Pass a TOML file with [zeroshot] or [fewshot."DATASET.CONTEXT"] as STATE and cell-load read it.'
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = f"{path} cannot be read as TOML: {error}."
        raise DataError(problem, cure=cure) from error
    held = [key for key, side in _table(told, "zeroshot").items() if side == "test"]
    few = {key: _test_of(entry) for key, entry in _table(told, "fewshot").items() if _test_of(entry)}
    if bool(held) == bool(few):
        problem = f"{path} holds {len(held)} test contexts and {len(few)} contexts with test perturbations, expected one of the two."
        raise DataError(problem, cure=cure)
    if perturbations is None:
        problem = f"{path} names what is tested and not what trains."
        raise DataError(problem, cure="Pass perturbations=, all perturbations of the screen.")
    if held:
        levels = tuple(key.partition(".")[2] or key for key in held)
        fold = Fold(name="zeroshot", train=tuple(perturbations), test=tuple(perturbations), held_out=levels)
        return Split(kind="state", seed=0, folds=(fold,), by="cell_type")
    known = frozenset(gene for name in perturbations for gene in name.genes)
    tests = {key: frozenset(_names(labels, genes=known)) for key, labels in few.items()}
    folds = tuple(
        _fold(key, [n for n in perturbations if n not in test], [n for n in perturbations if n in test])
        for key, test in tests.items()
    )
    return Split(kind="state", seed=0, folds=folds)


def _table(told: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = told.get(key, {})
    return found if isinstance(found, dict) else {}


def _test_of(entry: object) -> list[str]:
    test = entry.get("test", []) if isinstance(entry, dict) else []
    return [str(label) for label in test] if isinstance(test, list) else []


def read_table(path: Path) -> Split:
    """Read a table (csv, tsv) with a row for each perturbation of each fold: columns `fold`, `perturbation`, `side`, `stratum`.

    `side` is `train` or `test` (`val` rows train); without a column `fold` all rows are of one fold.

    Raises
    ------
    DataError
        If a column is missing or a side is another word.
    """
    cure = "Write the columns perturbation and side (train, test), and fold where there are several."
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{path} cannot be read as text: {error}."
        raise DataError(problem, cure=cure) from error
    first = text.partition("\n")[0]
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in first else ","))
    side = next((t for t in ("side", "split", "set") if rows and t in rows[0]), "")
    label = next((t for t in ("perturbation", "condition", "target_gene", "gene") if rows and t in rows[0]), "")
    if not side or not label:
        problem = f"{path} has the columns {first.strip()[:80]!r} and {len(rows)} rows."
        raise DataError(problem, cure=cure)
    odd = next((row[side] for row in rows if row[side] not in ("train", "val", "test")), None)
    if odd is not None:
        problem = f"{path} has {odd!r} under {side!r}."
        raise DataError(problem, cure="Use train, val and test.")
    folds: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        folds.setdefault(unguard_formula(row.get("fold") or "table"), []).append(row)
    by = unguard_formula(rows[0].get("by") or "")
    try:
        made = tuple(_fold_of_rows(name, own, label=label, side=side) for name, own in folds.items())
    except (ValueError, TypeError) as error:
        problem = f"{path} has held-out levels that are no JSON list: {error}."
        raise DataError(problem, cure=cure) from error
    return Split(kind="table", seed=0, folds=made, by=by)


def _fold_of_rows(name: str, rows: Sequence[Mapping[str, str]], *, label: str, side: str) -> Fold:
    sides: dict[bool, dict[PerturbationName, str]] = {True: {}, False: {}}
    for row in rows:
        for one in _names([unguard_formula(row[label])]):
            sides[row[side] == "test"].setdefault(one, unguard_formula(row.get("stratum") or ""))
    held = [str(level) for row in rows for level in json.loads(unguard_formula(row.get("held_out") or "[]"))]
    fold = Fold(
        name=name,
        train=tuple(sides[False]),
        test=tuple(sides[True]),
        held_out=tuple(dict.fromkeys(held)),
    )
    strata = tuple(sides[True].values())
    return replace(fold, strata=strata) if any(strata) else fold


def gears_bytes(fold: Fold, conditions: Sequence[str] = ()) -> bytes:
    """Return `set2conditions` as GEARS pickles it; the pickle names nothing to import.

    GEARS looks its graphs up by these very texts, so they are spelled as in its file where `conditions` holds the labels of that:
    every spelling of a perturbation, and controls among the training conditions. It picks its best epoch by `val` and fails without one,
    so every tenth training perturbation stands there.

    Raises
    ------
    DataError
        If a perturbation has no condition.
    """
    step = min(_VALIDATED_OF, len(fold.train))
    val = fold.train[step - 1 :: step] if step > 1 else ()
    spelled = _spellings(fold, conditions)
    controls = [label for label in conditions if parse_label(label) == CONTROL]
    sides = {"train": [name for name in fold.train if name not in val], "val": val, "test": fold.test}
    written = {side: [label for name in names for label in spelled[name]] for side, names in sides.items()}
    return pickle_of_lists({**written, "train": [*controls, *written["train"]]})


def _spellings(fold: Fold, conditions: Sequence[str]) -> dict[PerturbationName, list[str]]:
    names = (*fold.train, *fold.test)
    if not conditions:
        return {name: [f"{name}+ctrl" if name.is_single else str(name)] for name in names}
    known = LabelRule(genes=frozenset(gene for name in names for gene in name.genes))
    found: dict[PerturbationName, list[str]] = {name: [] for name in names}
    for label in dict.fromkeys(conditions):
        name = parse_label(label, rule=known)
        if name in found:
            found[name].append(label)
    without = [name for name, labels in found.items() if not labels]
    if without:
        problem = f"{len(without)} of {len(names)} perturbations are none of the {len(conditions)} conditions, the first is {without[0]}."
        raise DataError(
            problem, cure="Pass the labels of the file that GEARS reads: conditions=adata.obs['condition'].unique()."
        )
    return found


def state_text(split: Split, *, dataset: str, context: str) -> str:
    """Return TOML of STATE: held-out levels under `[zeroshot]`, or the test perturbations of one context under `[fewshot]`."""
    (fold,) = split.folds
    head = f'[datasets]\n{_quoted(dataset)} = ""\n\n[training]\n{_quoted(dataset)} = "train"\n\n'
    if fold.held_out:
        levels = "".join(f'{_quoted(f"{dataset}.{level}")} = "test"\n' for level in fold.held_out)
        return f"{head}[zeroshot]\n{levels}\n[fewshot]\n"
    tests = ", ".join(_quoted(str(name)) for name in fold.test)
    return f"{head}[zeroshot]\n\n[fewshot]\n[fewshot.{_quoted(f'{dataset}.{context}')}]\nval = []\ntest = [{tests}]\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if ord(c) >= 32 and ord(c) != 127 else f"\\u{ord(c):04x}" for c in escaped) + '"'


def table_text(split: Split) -> str:
    """Return the table that `read_table` reads, names guarded against spreadsheets that would run them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_TITLES)
    for fold in split.folds:
        strata = fold.strata or ("",) * len(fold.test)
        rows = [(name, "train", "") for name in fold.train]
        rows += [(name, "test", stratum) for name, stratum in zip(fold.test, strata, strict=True)]
        held = json.dumps(fold.held_out, ensure_ascii=True) if fold.held_out else ""
        for name, side, stratum in rows:
            writer.writerow([guard_formula(str(v)) for v in (fold.name, name, side, stratum, held, split.by)])
    return out.getvalue()
