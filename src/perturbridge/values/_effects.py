"""Effects: what each perturbation did, on average, against the controls of its own contexts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._checks import array_of, nearest_names, unique_names
from perturbridge.errors import DataError

from ._names import PerturbationName, as_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from ._findings import Finding

__all__ = ["ContextTable", "Effects", "OtherControls"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ContextTable:
    """Cells and control profiles by context.

    Parameters
    ----------
    names
        Contexts `(n_contexts,)`.
    n_perturbed
        Cells `(n_perturbations, n_contexts)` that entered each delta.
    n_control
        Control cells `(n_contexts,)`.
    control_mean, control_variance
        Mean and unbiased variance of the controls, log1p-CP10k, `(n_contexts, n_genes)`.
    """

    names: tuple[str, ...]
    n_perturbed: NDArray[np.int64]
    n_control: NDArray[np.int64]
    control_mean: NDArray[np.float64]
    control_variance: NDArray[np.float64]

    def __post_init__(self) -> None:
        n = len(unique_names("contexts", self.names))
        for field, shape, dtype in (
            ("n_perturbed", (None, n), np.int64),
            ("n_control", (n,), np.int64),
            ("control_mean", (n, None), np.float64),
            ("control_variance", (n, None), np.float64),
        ):
            object.__setattr__(self, field, array_of(field, getattr(self, field), shape=shape, dtype=dtype))

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Share of each context among the cells of a perturbation `(n_perturbations, n_contexts)`, rows sum to 1."""
        return np.asarray(self.n_perturbed / self.n_perturbed.sum(axis=1, keepdims=True), dtype=np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class OtherControls:
    """Δ_k = mean_k − Σ_b (n_kb / n_k) · control mean_b of controls of a kind k that is not the baseline: what a control does by itself.

    Parameters
    ----------
    kinds
        `"safe-targeting"`, `"intergenic"`, … `(n_kinds,)`.
    n_cells
        Cells beside baseline controls of their context `(n_kinds,)`.
    delta
        Δ, log1p-CP10k, `(n_kinds, n_genes)`.
    noise
        Variance of each Δ from sampling cells, the baseline's too, `(n_kinds, n_genes)`; NaN where a kind has one cell.
    """

    kinds: tuple[str, ...]
    n_cells: NDArray[np.int64]
    delta: NDArray[np.float64]
    noise: NDArray[np.float64]

    def __post_init__(self) -> None:
        n = len(unique_names("kinds of controls", self.kinds))
        for field, dtype in (("n_cells", np.int64), ("delta", np.float64)):
            shape = (n,) if field == "n_cells" else (n, None)
            object.__setattr__(self, field, array_of(field, getattr(self, field), shape=shape, dtype=dtype))

    @property
    def size(self) -> NDArray[np.float64]:
        """Root mean square of Δ over genes `(n_kinds,)`."""
        return np.asarray(np.sqrt((self.delta**2).mean(axis=1)), dtype=np.float64)

    @property
    def expected(self) -> NDArray[np.float64]:
        """The same of a Δ that sampling alone makes `(n_kinds,)`."""
        return np.asarray(np.sqrt(self.noise.mean(axis=1)), dtype=np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Effects:
    """Δ_p = mean_p − Σ_b (n_pb / n_p) · control mean_b, for every perturbation p over contexts b.

    Parameters
    ----------
    perturbations
        Unique, control excluded `(n_perturbations,)`.
    genes
        Unique `(n_genes,)`.
    delta
        Δ, log1p-CP10k, `(n_perturbations, n_genes)`.
    n_cells
        Cells behind each row `(n_perturbations,)`.
    control_mean
        Mean of all controls `(n_genes,)`.
    variance
        Unbiased variance over the cells of a perturbation `(n_perturbations, n_genes)`, or None where only profiles are known.
    detected
        Cells in which a gene was seen `(n_perturbations, n_genes)`, or None.
    contexts
        Cells and controls by context, or None where only profiles are known.
    other_controls
        Controls of kinds that are not the baseline, or None.
    fingerprint
        SHA-256 of what was summed; the same for every chunk size. Travels with everything fitted.
    findings
        What was noticed on the way.
    """

    perturbations: tuple[PerturbationName, ...]
    genes: tuple[str, ...]
    delta: NDArray[np.float64]
    n_cells: NDArray[np.int64]
    control_mean: NDArray[np.float64]
    variance: NDArray[np.float64] | None = None
    detected: NDArray[np.int64] | None = None
    contexts: ContextTable | None = None
    other_controls: OtherControls | None = None
    fingerprint: str = ""
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "perturbations", as_names(self.perturbations))
        set_(self, "genes", unique_names("genes", self.genes))
        n, g = len(self.perturbations), len(self.genes)
        set_(self, "delta", array_of("delta", self.delta, shape=(n, g), dtype=np.float64))
        set_(self, "n_cells", array_of("n_cells", self.n_cells, shape=(n,), dtype=np.int64))
        set_(self, "control_mean", array_of("control_mean", self.control_mean, shape=(g,), dtype=np.float64))
        if self.variance is not None:
            set_(self, "variance", array_of("variance", self.variance, shape=(n, g), dtype=np.float64))
        if self.detected is not None:
            set_(self, "detected", array_of("detected", self.detected, shape=(n, g), dtype=np.int64))

    @classmethod
    def from_delta(
        cls, delta: ArrayLike, *, perturbations: Iterable[str | PerturbationName], genes: Iterable[str] | None = None
    ) -> Effects:
        """Wrap profiles `(n_perturbations, n_genes)` that are differences from control already; genes default to `g0, g1, …`."""
        array = np.asarray(delta, dtype=np.float64)
        names = as_names(perturbations)
        n_genes = array.shape[-1] if array.ndim else 0
        return cls(
            perturbations=names,
            genes=tuple(genes) if genes is not None else tuple(f"g{i}" for i in range(n_genes)),
            delta=array,
            n_cells=np.ones(len(names), dtype=np.int64),
            control_mean=np.zeros(n_genes),
        )

    @cached_property
    def _position(self) -> dict[PerturbationName, int]:
        return {name: i for i, name in enumerate(self.perturbations)}

    def rows(self, perturbations: Sequence[PerturbationName]) -> NDArray[np.int64]:
        """Return the row of each perturbation.

        Raises
        ------
        DataError
            If one is not in the table.
        """
        unknown = [name for name in perturbations if name not in self._position]
        if unknown:
            close = nearest_names(str(unknown[0]), [str(name) for name in self.perturbations])
            problem = f"{len(unknown)} perturbations are not among the {len(self.perturbations)} measured, the first is {unknown[0]}."
            raise DataError(problem, cure=f"Nearest names: {close}.")
        return np.array([self._position[name] for name in perturbations], dtype=np.int64)

    def take(self, perturbations: Sequence[PerturbationName]) -> Effects:
        """Return the table of these perturbations alone, in this order; controls, genes and fingerprint stay."""
        rows = self.rows(perturbations)

        def pick(array: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if array is None else array[rows]

        contexts = (
            None if self.contexts is None else replace(self.contexts, n_perturbed=self.contexts.n_perturbed[rows])
        )
        return replace(
            self,
            perturbations=tuple(perturbations),
            delta=self.delta[rows],
            n_cells=self.n_cells[rows],
            variance=pick(self.variance),
            detected=pick(self.detected),
            contexts=contexts,
        )

    @property
    def matched_control(self) -> NDArray[np.float64]:
        """Mean of the controls of each perturbation's own contexts `(n_perturbations, n_genes)`; delta plus this is the mean."""
        if self.contexts is None:
            return np.broadcast_to(self.control_mean, self.delta.shape)
        return self.contexts.weights @ self.contexts.control_mean

    def sampling_variance(self) -> NDArray[np.float64] | None:
        """Return var_p/n_p + Σ_b (n_pb/n_p)² · var_b/n_b, the variance of each delta from sampling cells, or None if unknown."""
        if self.variance is None or self.contexts is None:
            return None
        own = self.variance / self.n_cells[:, None]
        table = self.contexts
        per_context = table.control_variance / np.maximum(table.n_control, 1)[:, None]
        return np.asarray(own + (table.weights**2) @ per_context, dtype=np.float64)
