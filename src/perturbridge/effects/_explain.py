"""Where a prediction comes from: training genes it leans on, shares of the sources, strongest genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ._design import Design
from ._target_gene import columns_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from perturbridge.values import PerturbationName

    from ._fitted import Fitted

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """A prediction taken apart; every part is plain JSON types by name.

    Parameters
    ----------
    perturbation, model, status, detail
        As in `Prediction`.
    in_training
        True where the model was fitted on this very perturbation.
    neighbors
        Training genes with the largest kernel: `gene`, `similar_to` (gene of the perturbation), `kernel` (1 is the mean similarity of a
        gene to itself, 0 that of a gene without a vector), `share` of the deviation from the mean effect that comes through it.
    sources
        `source`, `weight` in the kernel, `share` of the deviation from the mean effect that comes through it, `has_vector`.
        The last rows are what genes have of their own and the interaction. Shares sum to 1; a part that pulls the other way is negative.
    up, down
        Strongest genes: `gene`, `delta`, `lower`, `upper` (log1p-CP10k; None without intervals), `is_target`.
    deviation
        ‖Δ̂ − mean effect‖, log1p-CP10k.
    """

    perturbation: str
    model: str
    status: str
    detail: str
    in_training: bool
    neighbors: tuple[dict[str, Any], ...]
    sources: tuple[dict[str, Any], ...]
    up: tuple[dict[str, Any], ...]
    down: tuple[dict[str, Any], ...]
    deviation: float

    def __str__(self) -> str:
        """Say it in a few lines; `table` has the figures."""
        through = ", ".join(f"{row['gene']} {row['share']:+.2f}" for row in self.neighbors)
        parts = ", ".join(f"{row['source']} {row['share']:+.2f}" for row in self.sources)
        moved = {
            way: ", ".join(f"{row['gene']} {row['delta']:+.2f}" for row in getattr(self, way)) for way in ("up", "down")
        }
        flag = f" ({self.detail})" if self.detail else ""
        lines = [f"{self.perturbation}: {self.status}{flag}, {self.deviation:.3g} from the mean effect"]
        lines += [f"  comes through   {through}", f"  by source       {parts}"] if self.deviation > 0 else []
        return "\n".join([*lines, *(f"  {way:<16}{genes or 'none'}" for way, genes in moved.items())])

    def as_json(self) -> dict[str, Any]:
        """Return all parts as plain types."""
        return {
            key: [dict(row) for row in value] if isinstance(value, tuple) else value
            for key, value in vars(self).items()
        }

    def table(self, part: str = "neighbors") -> pd.DataFrame:
        """Return `"neighbors"`, `"sources"`, `"up"` or `"down"` as a table."""
        import pandas as pd

        return pd.DataFrame(list(self.as_json()[part]))


def explain(fitted: Fitted, name: PerturbationName, *, model: str, top: int) -> Explanation:
    """Take one prediction apart.

    With d = Δ̂ − mean and d = Σ_c d_c, the share of a part is d_c · d / ‖d‖².
    """
    prediction = fitted.predict([name], model=model)
    design = Design.of([name])
    found = fitted.locate(design.genes)
    by_source = [
        share * kernel.between(rows) if share > 0 else np.zeros((len(rows), len(fitted.anchors)))
        for share, kernel, rows in zip(fitted.shares, fitted.kernels, found, strict=True)
    ]
    similar = np.sum(by_source, axis=0)
    own = fitted.offsets[fitted.own_rows(name)].sum(axis=0)
    interaction = fitted.interaction(design)[0]
    deviation = similar.sum(axis=0) @ fitted.coefficients + own + interaction
    size = float(deviation @ deviation)

    def share_of(part: NDArray[np.float64]) -> float:
        return float(part @ deviation) / size if size > 0 else 0.0

    sources = [
        {
            "source": kernel.features.source.name,
            "weight": float(weight),
            "share": share_of(part.sum(axis=0) @ fitted.coefficients),
            "has_vector": [g for g, row in zip(design.genes, rows, strict=True) if row >= 0],
        }
        for kernel, weight, part, rows in zip(fitted.kernels, fitted.shares, by_source, found, strict=True)
    ]
    for label, part in (("own effects of its genes", own), ("interaction", interaction)):
        if part.any():
            sources.append({"source": label, "weight": None, "share": share_of(part), "has_vector": []})
    through = fitted.coefficients @ deviation / size if size > 0 else np.zeros(len(fitted.anchors))
    up, down = _strongest(prediction.delta[0], prediction.lower, prediction.upper, fitted=fitted, name=name, top=top)
    return Explanation(
        perturbation=str(name),
        model=model,
        status=prediction.status[0],
        detail=prediction.detail[0],
        in_training=prediction.in_training[0],
        neighbors=_neighbors(similar, through, fitted.anchors, genes=design.genes, top=top),
        sources=tuple(sources),
        up=up,
        down=down,
        deviation=float(np.sqrt(size)),
    )


def _neighbors(
    similar: NDArray[np.float64],
    through: NDArray[np.float64],
    anchors: tuple[str, ...],
    *,
    genes: tuple[str, ...],
    top: int,
) -> tuple[dict[str, Any], ...]:
    """Pairs of asked and training gene with the largest |kernel|, a gene's own training row apart."""
    rows: list[dict[str, Any]] = [
        {"gene": anchor, "similar_to": gene, "kernel": float(similar[i, j]), "share": float(similar[i, j] * through[j])}
        for i, gene in enumerate(genes)
        for j, anchor in enumerate(anchors)
        if similar[i, j] != 0 and anchor != gene
    ]
    return tuple(sorted(rows, key=lambda row: (-abs(row["kernel"]), row["gene"]))[:top])


def _strongest(
    delta: NDArray[np.float64],
    lower: NDArray[np.float64] | None,
    upper: NDArray[np.float64] | None,
    *,
    fitted: Fitted,
    name: PerturbationName,
    top: int,
) -> tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...]]:
    order = np.argsort(delta, kind="stable")
    targets = set(columns_of(name, fitted.column))

    def row(j: int) -> dict[str, Any]:
        return {
            "gene": fitted.genes[j],
            "delta": float(delta[j]),
            "lower": None if lower is None else float(lower[0, j]),
            "upper": None if upper is None else float(upper[0, j]),
            "is_target": j in targets,
        }

    up = tuple(row(int(j)) for j in order[::-1][:top] if delta[j] > 0)
    return up, tuple(row(int(j)) for j in order[:top] if delta[j] < 0)
