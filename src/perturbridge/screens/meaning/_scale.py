"""What the values of a matrix are: counts, log1p of scaled counts, or something else; the one place where that is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from perturbridge.errors import DataError
from perturbridge.screens.files._source_csc import CscSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import CountSource

__all__ = ["Judgment", "judge"]

Kind = Literal["counts", "log1p", "linear", "log2", "mixed", "empty", "unusable"]

_STRETCHES, _ROWS, _VALUES = 8, 32, 200_000
_LOG_LIMIT = 20.0
_WHOLE = 0.9
_SAME_TOTAL = 0.01


@dataclass(frozen=True, kw_only=True)
class Judgment:
    """What a sample of the values shows.

    Parameters
    ----------
    kind
        `"counts"`: whole numbers. `"log1p"`: fractions up to 20. `"linear"`: scaled, not logged. `"log2"`. `"mixed"`: partly whole.
        `"empty"`: no value above zero in the sample. `"unusable"`: negative or broken values.
    evidence
        The reason, a phrase.
    total
        What the cells sum to after undoing the logarithm, where it is the same for all, otherwise 0.
    error
        Why the values are unusable.
    """

    kind: Kind
    evidence: str
    total: float = 0.0
    error: DataError | None = None


def judge(source: CountSource, *, logged: bool = False) -> Judgment:
    """Look at cells spread over a matrix and say what its values are.

    Parameters
    ----------
    source
        The matrix.
    logged
        Whether the file says that it was log-transformed.

    Returns
    -------
    Judgment
        With the evidence; whole numbers outweigh what the file says about itself.
    """
    try:
        values, rows = _sample(source)
    except DataError as error:
        return Judgment(kind="unusable", evidence=error.problem, error=error)
    values = values[values != 0]
    if not len(values):
        return Judgment(kind="empty", evidence="no value above zero in the sampled cells")
    if not (values.min() > 0 and values.max() < np.inf):
        n_bad = int(np.count_nonzero(~((values > 0) & (values < np.inf))))
        problem = (
            f"{source.description} holds {n_bad:,} negative, NaN or infinite values among {len(values):,} sampled."
        )
        cure = "Name the place that holds counts or log1p values (place=...)."
        return Judgment(kind="unusable", evidence=problem, error=DataError(problem, cure=cure))
    whole = float(np.mean(values == np.round(values)))
    high = float(values.max())
    seen = f"{len(values):,} sampled values, {100 * whole:.1f} % whole, largest {high:.4g}"
    said = ', and uns["log1p"] is set' if logged else ""
    if whole >= _WHOLE:
        return Judgment(kind="counts", evidence=f"{seen}{said and said + ' but whole numbers are no logarithms'}")
    if whole > 1 - _WHOLE:
        return Judgment(kind="mixed", evidence=seen)
    return _scaled(rows, evidence=seen + said, high=high, logged=logged)


def _sample(source: CountSource) -> tuple[NDArray[np.generic], list[NDArray[np.float64]]]:
    """Stored values, and the values of each sampled cell where cells can be read one by one."""
    if isinstance(source, CscSource):
        return source.sample_values(_VALUES), []
    n_cells = source.shape[0]
    starts = np.unique(np.linspace(0, max(n_cells - _ROWS, 0), _STRETCHES).astype(np.int64))
    values: list[NDArray[np.generic]] = []
    rows: list[NDArray[np.float64]] = []
    for start in starts.tolist():
        chunk = source.read_rows(start, min(start + _ROWS, n_cells))
        values.append(chunk.data)
        rows.extend(np.split(chunk.data.astype(np.float64), chunk.indptr[1:-1]))
    return np.concatenate(values), [row for row in rows if len(row)]


def _scaled(rows: list[NDArray[np.float64]], *, evidence: str, high: float, logged: bool) -> Judgment:
    """Tell logarithms from linear values: by the size of the values, and by what undoing them makes of the cell totals."""
    linear = _common_total([row.sum() for row in rows])
    if high > _LOG_LIMIT or (linear and not logged):
        same = f", cells sum to {linear:,.0f}" if linear >= 2 else ""
        return Judgment(kind="linear", evidence=evidence + same, total=linear)
    natural = _common_total([np.expm1(row).sum() for row in rows])
    if natural:
        return Judgment(kind="log1p", evidence=f"{evidence}, cells sum to {natural:,.0f} after expm1", total=natural)
    binary = _common_total([(np.exp2(row) - 1).sum() for row in rows])
    if binary:
        return Judgment(kind="log2", evidence=f"{evidence}, cells sum to {binary:,.0f} after 2^x - 1", total=binary)
    return Judgment(kind="log1p", evidence=evidence)


def _common_total(totals: list[float]) -> float:
    """Return the total that all cells share within 1 %, or 0."""
    if len(totals) < _ROWS:
        return 0.0
    middle = float(np.median(totals))
    return middle if middle > 0 and float(np.std(totals)) < _SAME_TOTAL * middle else 0.0
