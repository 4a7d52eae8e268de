"""An alignment: where perturbed cells lie relative to the controls they came from, as a displacement of any control cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturbridge._checks import FrozenMapping, array_of, nearest_names, unique_names
from perturbridge.errors import DataError, LeakageError

from ._names import PerturbationName, as_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ._alignment_reports import DisplacementReport, PlanReport
    from ._findings import Finding
    from ._maps import CellMap

__all__ = ["Alignment", "Displacement"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Displacement:
    """Δz(x) = shift + (T(x) − T₀(x) − mean) · keep for centred coordinates x of one stratum, T₀ being the stratum's self-map.

    Parameters
    ----------
    shift
        Mean displacement of the stratum's controls `(n_dims,)`.
    map
        T, or None where every control moves alike.
    mean
        Mean of T − T₀ over the controls `(n_dims,)`.
    keep
        What the controls-against-controls null leaves of each direction `(n_dims, n_dims)`.
    """

    shift: NDArray[np.float64]
    map: CellMap | None = None
    mean: NDArray[np.float64] | None = None
    keep: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.shift),)
        for name, wanted in (("shift", shape), ("mean", shape), ("keep", shape * 2)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, array_of(name, getattr(self, name), shape=wanted, dtype=np.float64))


@dataclass(frozen=True, eq=False, kw_only=True)
class Alignment:
    """Displacements of training perturbations, by stratum, with the report of every plan.

    Parameters
    ----------
    perturbations
        Sorted, unique.
    contexts
        Names whose controls were centred.
    centres
        Mean of the training controls of each context `(n_contexts, n_dims)`; cells are moved in coordinates relative to it.
    strata
        `(context, state)` of each stratum; an empty name stands for all.
    strata_by
        `"state"`: labels. `"clusters"`: nearest of `cluster_centres`. `"none"`: one stratum (per context).
    cluster_centres
        `(n_clusters, n_dims)` in centred coordinates, or None.
    self_maps
        T₀ of each stratum; None for the identity.
    displacements
        For each perturbation, one per stratum.
    plans
        One report per perturbation and stratum.
    reports
        One per perturbation.
    control_weights
        Share of the training controls in each stratum, sums to 1 `(n_strata,)`.
    context_mass
        Mass of all plans from controls of one context (row) to perturbed cells of another (column), sums to 1, or to 0 where no plan was
        made or none was kept `(n_contexts, n_contexts)`.
    fingerprint, split_hash
        Of the latent, and of the split it was fitted under.
    audit
        Verdict, decisive check and override of the audit that opened the gate, as plain JSON types.
    settings
        As plain JSON types.
    findings
        What was noticed.
    """

    perturbations: tuple[PerturbationName, ...]
    contexts: tuple[str, ...]
    centres: NDArray[np.float64]
    strata: tuple[tuple[str, str], ...]
    strata_by: Literal["state", "clusters", "none"]
    cluster_centres: NDArray[np.float64] | None
    self_maps: tuple[CellMap | None, ...]
    displacements: tuple[tuple[Displacement, ...], ...]
    plans: tuple[PlanReport, ...]
    reports: tuple[DisplacementReport, ...]
    control_weights: NDArray[np.float64]
    context_mass: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    fingerprint: str
    split_hash: str = ""
    audit: Mapping[str, Any] = field(default_factory=lambda: FrozenMapping({}))
    settings: Mapping[str, Any] = field(default_factory=lambda: FrozenMapping({}))
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "perturbations", as_names(self.perturbations))
        set_(self, "contexts", unique_names("contexts", self.contexts))
        n_dims = np.shape(self.centres)[-1]
        set_(self, "centres", array_of("centres", self.centres, shape=(len(self.contexts), n_dims), dtype=np.float64))
        n = len(self.strata)
        set_(self, "control_weights", array_of("control_weights", self.control_weights, shape=(n,), dtype=np.float64))
        shape = (len(self.contexts),) * 2
        mass = self.context_mass if np.size(self.context_mass) else np.zeros(shape)
        set_(self, "context_mass", array_of("context_mass", mass, shape=shape, dtype=np.float64))
        sizes = {len(row) for row in self.displacements} | {len(self.self_maps)}
        if (
            sizes != {n}
            or len(self.displacements) != len(self.perturbations)
            or len(self.reports) != len(self.displacements)
        ):
            problem = f"An alignment of {len(self.perturbations)} perturbations in {n} strata holds {len(self.displacements)} rows of {sorted(sizes)}."
            raise DataError(problem, cure="Give one displacement per perturbation and stratum.")

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return int(self.centres.shape[1])

    @cached_property
    def _place(self) -> dict[PerturbationName, int]:
        return {name: i for i, name in enumerate(self.perturbations)}

    def report(self, perturbation: str | PerturbationName) -> DisplacementReport:
        """Return the report of a perturbation; raises DataError if it was not aligned."""
        return self.reports[self._row(perturbation)]

    def _row(self, perturbation: str | PerturbationName) -> int:
        name = as_names([perturbation])[0]
        if name not in self._place:
            near = nearest_names(str(name), [str(known) for known in self.perturbations])
            problem = f"Perturbation {str(name)!r} was not aligned; {len(self.perturbations)} were."
            raise DataError(problem, cure=f"Nearest: {near}. A response model predicts those that were not measured.")
        return self._place[name]

    def require_split(self, split_hash: str) -> None:
        """Check that the alignment was fitted under this split.

        Raises
        ------
        LeakageError
            If it was fitted under another.
        """
        if split_hash != self.split_hash:
            problem = f"The alignment was fitted under split {self.split_hash[:12] or 'none'}, this is split {split_hash[:12] or 'none'}."
            raise LeakageError(problem, cure="Fit the latent and align under the split that is scored.")

    def centred(self, z: NDArray[np.floating], context: Sequence[str] | str | None = None) -> NDArray[np.float64]:
        """Coordinates relative to the controls of each cell's context `(n_cells, n_dims)`.

        Parameters
        ----------
        z
            `(n_cells, n_dims)`.
        context
            Of each cell, or one for all; None where the alignment knows one context alone.

        Raises
        ------
        DataError
            If a context is unknown or not given.
        """
        x = np.asarray(z, dtype=np.float64)
        return x - self.centres[self._context_codes(context, len(x))]

    def _context_codes(self, context: Sequence[str] | str | None, n: int, *, strict: bool = True) -> NDArray[np.int64]:
        if context is None:
            if len(self.contexts) != 1:
                problem = f"The context of {n} cells is not given; the alignment knows {len(self.contexts)}."
                raise DataError(problem, cure=f"Pass context=, such as {self.contexts[0]!r}.")
            return np.zeros(n, dtype=np.int64)
        return _codes("context", context, self.contexts, n=n, strict=strict)

    def strata_of(
        self,
        x: NDArray[np.float64],
        *,
        context: Sequence[str] | str | None = None,
        state: Sequence[str] | str | None = None,
    ) -> NDArray[np.int64]:
        """Stratum of each cell `(n_cells,)`.

        Parameters
        ----------
        x
            Centred coordinates.
        context, state
            Of each cell, or one for all; the state is asked for where the strata are those of a label.

        Raises
        ------
        DataError
            If a state is needed and not given, or a cell belongs to no stratum.
        """
        n = len(x)
        # Strata that span contexts do not ask in which one a cell is.
        by_context = any(name for name, _ in self.strata)
        contexts = self._context_codes(context, n) if by_context else np.zeros(n, dtype=np.int64)
        found = self._strata_or_none(x, context=contexts, state=self._state_codes(state, n))
        if (found < 0).any():
            first = int(np.argmax(found < 0))
            problem = (
                f"{int((found < 0).sum())} of {n} cells lie in no stratum of the alignment, the first is cell {first}."
            )
            raise DataError(problem, cure="Leave out cells of contexts and states without training controls.")
        return found

    def covers(
        self,
        z: NDArray[np.floating],
        *,
        context: Sequence[str] | str | None = None,
        state: Sequence[str] | str | None = None,
    ) -> NDArray[np.bool_]:
        """True for cells that `displacement` can move: their context is known and their stratum had controls `(n_cells,)`.

        Parameters
        ----------
        z
            `(n_cells, n_dims)`.
        context, state
            Of each cell, or one for all.

        Raises
        ------
        DataError
            If they are needed and not given.
        """
        x = np.array(z, dtype=np.float64)
        contexts = self._context_codes(context, len(x), strict=False)
        x -= self.centres[contexts]
        strata = self._strata_or_none(x, context=contexts, state=self._state_codes(state, len(x), strict=False))
        return np.asarray((contexts >= 0) & (strata >= 0))

    @cached_property
    def _states(self) -> list[str]:
        return sorted({name for _, name in self.strata})

    def _state_codes(
        self, state: Sequence[str] | str | None, n: int, *, strict: bool = True
    ) -> NDArray[np.int64] | None:
        """Index of the state of each cell, None where strata are not those of a label; see `_codes` for `strict`."""
        if self.strata_by != "state":
            return None
        if state is None:
            problem = f"The state of {n} cells is not given; plans were made within {len(self._states)} states."
            raise DataError(problem, cure=f"Pass state=, such as {self._states[0]!r}.")
        return _codes("state", state, self._states, n=n, strict=strict)

    def _strata_or_none(
        self, x: NDArray[np.float64], *, context: NDArray[np.int64], state: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """Stratum of each cell, -1 where it had no controls `(n_cells,)`."""
        states = self._states
        if state is not None:
            codes = state
        elif self.strata_by == "clusters" and self.cluster_centres is not None:
            gaps = (self.cluster_centres**2).sum(axis=1)[None, :] - 2.0 * (x @ self.cluster_centres.T)
            codes = np.array([states.index(str(k)) for k in range(len(self.cluster_centres))])[gaps.argmin(axis=1)]
        else:
            codes = np.zeros(len(x), dtype=np.int64)
        inside = {pair: i for i, pair in enumerate(self.strata)}
        by_context = any(name for name, _ in self.strata)
        table = np.array([[inside.get((c if by_context else "", s), -1) for s in states] for c in self.contexts])
        found = table[context, codes]
        return np.where(codes < 0, -1, found)

    def displacement(
        self,
        z: NDArray[np.floating],
        perturbation: str | PerturbationName,
        *,
        context: Sequence[str] | str | None = None,
        state: Sequence[str] | str | None = None,
    ) -> NDArray[np.float32]:
        """Δz, where the perturbation moves each control cell from z.

        Parameters
        ----------
        z
            Coordinates of control cells, in the plans or not `(n_cells, n_dims)`.
        perturbation
            A perturbation that was aligned.
        context, state
            Of each cell, or one for all.

        Returns
        -------
        NDArray
            `(n_cells, n_dims)`, units of the latent: perturbed minus control.

        Raises
        ------
        DataError
            If the perturbation was not aligned, or a context or state is unknown.
        """
        x = self.centred(z, context)
        strata = self.strata_of(x, context=context, state=state)
        row = self.displacements[self._row(perturbation)]
        out = np.empty(x.shape, dtype=np.float32)
        for k in np.unique(strata):
            inside = strata == k
            out[inside] = self.move(x[inside], row[k], int(k))
        return out

    def move(self, x: NDArray[np.float64], by: Displacement, stratum: int) -> NDArray[np.float64]:
        """Displacement of centred coordinates x of one stratum `(n_cells, n_dims)`."""
        if by.map is None or by.mean is None or by.keep is None:
            return np.broadcast_to(by.shift, x.shape)
        own = self.self_maps[stratum]
        apart = by.map(x) - (x if own is None else own(x)) - by.mean
        return np.asarray(by.shift + apart @ by.keep)


def _codes(
    role: str, names: Sequence[str] | str, known: Sequence[str], *, n: int, strict: bool = True
) -> NDArray[np.int64]:
    """Index of each name among the known `(n,)`; an unknown one is an error, or -1 where not strict."""
    place = {name: i for i, name in enumerate(known)}
    listed = [names] * n if isinstance(names, str) else [str(name) for name in names]
    if len(listed) != n:
        problem = f"{role} has {len(listed)} labels for {n} cells."
        raise DataError(problem, cure="Give one label per cell, or one for all.")
    bad = [name for name in listed if name not in place] if strict else []
    if bad:
        problem = f"{len(bad)} of {n} cells have a {role} that the alignment does not know, the first is {bad[0]!r}."
        raise DataError(problem, cure=f"It knows {nearest_names(bad[0], known)}.")
    return np.array([place.get(name, -1) for name in listed], dtype=np.int64).reshape(n)
