"""Predictions made anywhere, as an evaluation takes them: our files, mean profiles, or cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from perturbridge._checks import nearest_names
from perturbridge.errors import DataError, LeakageError
from perturbridge.evaluation import PredictedCells, controls_differ
from perturbridge.screens import LabelRule, parse_label, pseudobulk, read_prediction
from perturbridge.screens.files._h5 import child, open_file
from perturbridge.screens.files._h5_frame import frame_index
from perturbridge.screens.files._h5ad import open_h5ad
from perturbridge.values import (
    CONTROL,
    CONTROL_CODE,
    UNASSIGNED_CODE,
    Finding,
    Labels,
    Normalization,
    PerturbationName,
    Prediction,
    Screen,
)

from ._with_controls import WithControls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import CountSource, Effects

__all__ = ["Candidate", "RealSide", "read_candidate"]

_COLUMNS = ("perturbation", "condition", "target_gene", "target", "gene", "pert", "guide_target")
_SUBMITTED = PerturbationName(("control cells of the prediction",))
_LARGEST_LOG = 20.0
_SAMPLED = 512


@dataclass(frozen=True, eq=False, kw_only=True)
class Candidate:
    """One model's prediction, ready to be scored.

    Parameters
    ----------
    prediction
        Δ of measured perturbations over the measured genes.
    cells
        What predicted cells add, or None for profiles.
    screen
        The predicted cells, or None for profiles.
    findings
        What was decided and noticed while reading.
    """

    prediction: Prediction
    cells: PredictedCells | None = None
    screen: Screen | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class RealSide:
    """What a prediction file is read against.

    Parameters
    ----------
    effects
        Measured effects.
    screen
        The screen they come from, or None where only effects are at hand.
    column
        Column with the perturbation labels, empty to look for it.
    control
        Control labels of the screen.
    """

    effects: Effects
    screen: Screen | None = None
    column: str = ""
    control: tuple[str, ...] = ()


def read_candidate(path: str | Path, real: RealSide, *, client: object = None) -> Candidate:
    """Read a prediction file of any of the three kinds.

    * a file of `perturbridge predict` or `write_prediction`;
    * mean profiles: an h5ad with one row for each perturbation, X the mean of log1p(CP10k), or Δ where it has negative values;
    * cells: an h5ad with many rows for each perturbation, counts or log1p(CP10k).

    Profiles and cells become Δ by taking off the *real* controls, those of the same contexts where the file names contexts of the
    screen. Perturbations that were not measured, and submitted controls, are left out with a finding. `client` has workers that sum
    predicted cells.

    Raises
    ------
    DataError
        If the file cannot be read, no column names perturbations, none was measured, or the genes differ.
    LeakageError
        If the model was fitted on a predicted perturbation.
    """
    file = Path(path)
    try:
        return _measured_rows(Candidate(prediction=read_prediction(file)), real)
    except DataError as error:
        if (
            "was not written by perturbridge" not in error.problem
            and "holds 'perturbridge-effects'" not in error.problem
        ):
            raise
    table = _Table(file)
    column = _column(table, real)
    labels, codes = table.labels(column)
    # Labels are parsed once each, and cells go by number: a name costs a microsecond, and there may be a million cells.
    used, codes = np.unique(codes, return_inverse=True)
    named = _parsed([labels[i] for i in used.tolist()], real)
    place = {name: i for i, name in enumerate(dict.fromkeys(named))}
    rows = _Rows(list(place), np.array([place[name] for name in named], dtype=np.int64)[codes])
    count = np.bincount(rows.codes, minlength=len(place)).tolist()
    many = max((n for n, name in zip(count, place, strict=True) if name not in (None, CONTROL)), default=0) > 1
    how = f"labels from {column!r}" if column else "labels from the row names"
    if many:
        candidate = _from_cells(table, rows, real=real, how=how, client=client)
    else:
        candidate = _from_profiles(table, [rows.names[code] for code in rows.codes.tolist()], real=real, how=how)
    return _measured_rows(candidate, real)


class _Rows(NamedTuple):
    """What each row is of: distinct names, None where a label says nothing, and the index of each row's."""

    names: list[PerturbationName | None]
    codes: NDArray[np.int64]


class _Table:
    """The labels and genes of an h5ad file; values are read when asked for."""

    def __init__(self, file: Path) -> None:
        self._held = open_h5ad(file)
        self.file = file
        self.columns = self._held.cell_columns()
        self.genes = self._held.gene_names("X") if "X" in self._held.places() else ()
        if not self.genes:
            problem = f"{file} holds no matrix in X."
            raise DataError(problem, cure="Write the predicted values into X.")

    def labels(self, column: str) -> tuple[list[str], NDArray[np.int64]]:
        """Return the labels of one column and the code of each row; of the row names for an empty one."""
        if not column:
            with open_file(str(self.file)) as file:
                names = list(frame_index(child(file, "obs"), n_rows=self._held.n_cells))
            return names, np.arange(len(names))
        read = self._held.cell_column(column)
        codes = np.asarray(read.codes, dtype=np.int64)
        return [*read.labels, ""], np.where(codes >= 0, codes, len(read.labels))

    def source(self) -> CountSource:
        return self._held.source("X", gene_names=self.genes)

    def profiles(self) -> NDArray[np.float64]:
        """Return all of X `(n_rows, n_genes)`, which may be negative where it is Δ."""
        from anndata import read_h5ad

        held = read_h5ad(self.file).X
        out = np.asarray(held.toarray() if hasattr(held, "toarray") else held, dtype=np.float64)
        broken = np.argwhere(~np.isfinite(out))
        if len(broken):
            row, gene = (int(i) for i in broken[0])
            problem = f"{len(broken)} values of {self.file} are NaN or infinite, the first in row {row}, gene {self.genes[gene]!r}."
            raise DataError(problem, cure="Predict a number for every gene.")
        return out


def _column(table: _Table, real: RealSide) -> str:
    """Name the column of the perturbation labels; empty for the row names."""
    known = real.screen.perturbation_column if real.screen is not None else ""
    for column in dict.fromkeys(c for c in (real.column, known, *_COLUMNS) if c):
        if column in table.columns:
            return column
    if real.column:
        problem = f"{table.file} has no column {real.column!r}; its columns are {', '.join(map(repr, table.columns)) or 'none'}."
        raise DataError(problem, cure=f"Nearest: {nearest_names(real.column, table.columns)}.")
    return ""


def _parsed(labels: Sequence[str], real: RealSide) -> list[PerturbationName | None]:
    """Return the perturbation that each label names."""
    genes = {gene for name in real.effects.perturbations for gene in name.genes} | set(real.effects.genes)
    rule = LabelRule(controls=frozenset(real.control), genes=frozenset(genes))
    known = {label: parse_label(label, rule=rule) for label in dict.fromkeys(labels)}
    # A label that reads like a control but is not the screen's is one all the same: it is left out, never scored.
    loose = LabelRule(genes=frozenset(genes))
    known = {label: name if name is not None else parse_label(label, rule=loose) for label, name in known.items()}
    return [known[label] for label in labels]


def _from_profiles(table: _Table, names: Sequence[PerturbationName | None], *, real: RealSide, how: str) -> Candidate:
    file, genes = table.file, table.genes
    rows = [i for i, name in enumerate(names) if name is not None and name != CONTROL]
    _check_measured(file, [names[i] for i in rows], real)
    values = table.profiles()[rows]
    perturbations = tuple(name for i in rows if (name := names[i]) is not None)
    is_delta = bool((values < 0).any())
    if not is_delta:
        if values.max(initial=0.0) > _LARGEST_LOG:
            problem = f"{file} holds mean profiles up to {values.max():.0f}, which are no log1p values."
            raise DataError(problem, cure="Give the mean of log1p(counts per 10,000) of each perturbation, or Δ.")
        values = values - _control_of(perturbations, genes, real)
    kind = (
        "Δ, since X has negative values" if is_delta else "means of log1p-CP10k, from which the real controls are taken"
    )
    message = f"{file.name}: {len(rows)} profiles, {how}; read as {kind}."
    return Candidate(
        prediction=_prediction(file, perturbations, genes=genes, delta=values),
        findings=(Finding(level="info", code="profiles_read", message=message, count=len(rows)),),
    )


def _from_cells(table: _Table, rows: _Rows, *, real: RealSide, how: str, client: object) -> Candidate:
    file, genes = table.file, table.genes
    _check_measured(file, rows.names, real)
    screen = _screen_of(table, rows, real)
    summed = pseudobulk(screen, min_cells=2, on_few="drop", client=client)
    mean = summed.delta + summed.matched_control
    kept = [i for i, name in enumerate(summed.perturbations) if name != _SUBMITTED]
    perturbations = tuple(summed.perturbations[i] for i in kept)
    findings = [
        replace(finding, message=f"{file.name}: {finding.message}")
        for finding in summed.findings
        if finding.code not in ("unassigned_cells", "borrowed_variance")
    ]
    if len(kept) < len(summed.perturbations):
        findings += _submitted(file, summed, mean=mean, genes=genes, real=real)
    if screen.context is not None and real.effects.contexts is not None and summed.contexts is not None:
        order = [
            summed.contexts.names.index(c) if c in summed.contexts.names else -1 for c in real.effects.contexts.names
        ]
        share = np.where(np.array(order) >= 0, summed.contexts.weights[:, order], 0.0)[kept]
        control = _in_order(share @ real.effects.contexts.control_mean, genes, real)
    else:
        control = _control_of(perturbations, genes, real)
    assert summed.variance is not None  # noqa: S101 - two cells at least
    message = (
        f"{file.name}: {int(summed.n_cells[kept].sum()):,} predicted cells of {len(kept)} perturbations, {how}; "
        f"read as {screen.normalization.kind}."
    )
    return Candidate(
        prediction=_prediction(file, perturbations, genes=genes, delta=mean[kept] - control),
        cells=PredictedCells(n_cells=summed.n_cells[kept], variance=summed.variance[kept]),
        screen=screen,
        findings=(Finding(level="info", code="cells_read", message=message, count=len(kept)), *findings),
    )


def _submitted(
    file: Path, summed: Effects, *, mean: NDArray[np.float64], genes: tuple[str, ...], real: RealSide
) -> list[Finding]:
    row = summed.perturbations.index(_SUBMITTED)
    place = {gene: i for i, gene in enumerate(genes)}
    columns = [place[gene] for gene in real.effects.genes]
    found = controls_differ(mean[row, columns], real.effects, n_cells=int(summed.n_cells[row]), model=file.stem)
    return [] if found is None else [found]


def _screen_of(table: _Table, rows: _Rows, real: RealSide) -> Screen:
    """Predicted cells as a screen, submitted controls as one more perturbation, and stand-in controls that cancel out."""
    source = table.source()
    renamed = [_SUBMITTED if name == CONTROL else name for name in rows.names]
    perturbations = tuple(sorted({name for name in renamed if name is not None}))
    position = {name: i for i, name in enumerate(perturbations)}
    place = [position.get(name, UNASSIGNED_CODE) if name is not None else UNASSIGNED_CODE for name in renamed]
    codes = np.array(place, dtype=np.int32)[rows.codes]
    context = _context_of(table, real)
    n_contexts = 1 if context is None else len(context.categories)
    first = int(np.flatnonzero(codes >= 0)[0])
    if context is not None:
        extra = np.arange(n_contexts, dtype=np.int32)
        context = Labels(context.column, context.categories, np.concatenate([context.codes, extra]))
    sample = source.read_rows(0, min(_SAMPLED, source.shape[0])).data
    whole = bool(np.equal(np.mod(sample, 1), 0).all()) and sample.max(initial=0) > 1
    return Screen(
        source=WithControls(source, row=first, n_copies=n_contexts),
        genes=table.genes,
        perturbations=perturbations,
        perturbation_codes=np.concatenate([codes, np.full(n_contexts, CONTROL_CODE, dtype=np.int32)]),
        normalization=Normalization(kind="counts" if whole else "log1p", place="X", evidence="from a sample of X"),
        context=context,
    )


def _context_of(table: _Table, real: RealSide) -> Labels | None:
    """Contexts of predicted cells where the file names those of the screen, all of which have real controls."""
    screen, contexts = real.screen, real.effects.contexts
    if screen is None or screen.context is None or contexts is None or screen.context.column not in table.columns:
        return None
    labels, codes = table.labels(screen.context.column)
    known = {name: i for i, name in enumerate(contexts.names)}
    place = np.array([known.get(label, -1) for label in labels], dtype=np.int32)[codes]
    return None if (place < 0).any() else Labels(screen.context.column, contexts.names, place)


def _control_of(
    perturbations: Sequence[PerturbationName], genes: tuple[str, ...], real: RealSide
) -> NDArray[np.float64]:
    """Real matched controls of each perturbation, the mean of all where it was not measured; genes in the order of the file."""
    table = np.tile(real.effects.control_mean, (len(perturbations), 1))
    known = set(real.effects.perturbations)
    there = [i for i, name in enumerate(perturbations) if name in known]
    if there:
        rows = real.effects.rows([perturbations[i] for i in there])
        table[there] = real.effects.matched_control[rows]
    return _in_order(table, genes, real)


def _in_order(table: NDArray[np.float64], genes: tuple[str, ...], real: RealSide) -> NDArray[np.float64]:
    place = {gene: i for i, gene in enumerate(real.effects.genes)}
    apart = sorted(set(genes) ^ set(place))
    if apart:
        problem = (
            f"{len(genes)} predicted and {len(place)} measured genes have {len(set(genes) & set(place))} in common; "
            f"the first of {len(apart)} others is {apart[0]!r}."
        )
        raise DataError(problem, cure="Predict exactly the measured genes, named as in the screen.")
    return table[:, [place[gene] for gene in genes]]


def _prediction(
    file: Path, perturbations: tuple[PerturbationName, ...], *, genes: tuple[str, ...], delta: NDArray[np.float64]
) -> Prediction:
    n = len(perturbations)
    return Prediction(
        perturbations=perturbations,
        genes=genes,
        delta=delta,
        status=("predicted",) * n,
        detail=("",) * n,
        model=file.stem,
    )


def _check_measured(file: Path, names: Sequence[PerturbationName | None], real: RealSide) -> None:
    predicted = {name for name in names if name is not None and name != CONTROL}
    if not predicted & set(real.effects.perturbations):
        first = min(predicted) if predicted else "none"
        problem = f"None of the {len(predicted)} perturbations of {file} was measured (the first is {first})."
        close = nearest_names(str(first), [str(name) for name in real.effects.perturbations])
        raise DataError(problem, cure=f"Name the column of the labels (--pert-col); measured are {close}.")


def _measured_rows(candidate: Candidate, real: RealSide) -> Candidate:
    """Leave out the predicted perturbations that nobody measured, and say so."""
    prediction, known = candidate.prediction, set(real.effects.perturbations)
    fitted = [name for name, seen in zip(prediction.perturbations, prediction.in_training, strict=True) if seen]
    if fitted:
        problem = f"{prediction.model!r} was fitted on {len(fitted)} of {len(prediction.perturbations)} predicted perturbations, the first is {fitted[0]}."
        raise LeakageError(
            problem, cure="Score held-out perturbations only: cross_validate, or the predictions.h5ad of a run."
        )
    kept = [i for i, name in enumerate(prediction.perturbations) if name in known]
    if len(kept) == len(prediction.perturbations):
        return candidate
    if not kept:
        _check_measured(Path(prediction.model), prediction.perturbations, real)
    others = [name for name in prediction.perturbations if name not in known]
    message = f"{len(others)} of {len(prediction.perturbations)} predicted perturbations were not measured and are not scored."
    finding = Finding(level="warning", code="not_measured", message=message, count=len(others), example=str(others[0]))

    def rows(table: NDArray[Any] | None) -> NDArray[Any] | None:
        return None if table is None else table[kept]

    fewer = replace(
        prediction,
        perturbations=tuple(prediction.perturbations[i] for i in kept),
        delta=prediction.delta[kept],
        status=tuple(prediction.status[i] for i in kept),
        detail=tuple(prediction.detail[i] for i in kept),
        in_training=tuple(prediction.in_training[i] for i in kept),
        lower=rows(prediction.lower),
        upper=rows(prediction.upper),
    )
    cells = candidate.cells
    if cells is not None:
        cells = replace(cells, n_cells=cells.n_cells[kept], variance=cells.variance[kept])
    return replace(candidate, prediction=fewer, cells=cells, findings=(*candidate.findings, finding))
