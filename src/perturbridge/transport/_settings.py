"""The settings of an alignment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from perturbridge._checks import one_of
from perturbridge.errors import DataError

__all__ = ["AlignmentSettings"]

STRATA = ("auto", "state", "clusters", "none")


@dataclass(frozen=True, kw_only=True)
class AlignmentSettings:
    """What decides how cells are paired.

    Parameters
    ----------
    solver
        `"sinkhorn"`: entropic plan, debiased. `"bures"`: the optimal map between two Gaussians. `"emd"`: exact plan; its barycentric map has
        no entropic bias, but on single cells the noise of a permutation. `"unbalanced"`: marginals are only asked for (KL). `"partial"`: a
        share of the mass alone is moved. `"raw"`: barycentre of the entropic plan minus the cell, neither debiased nor shrunk; controls
        paired with controls move by it, and it is further from a planted truth than no displacement at all.
    epsilon
        ε in units of the mean cost between two controls; within a stratum at most half of the mean cost there.
    strata
        Plans never cross strata. `"state"`: those of the state labels. `"clusters"`: k-means clusters of the centred controls. `"auto"`:
        states where cells have them, else clusters. `"none"`: one.
    n_clusters
        Of `"clusters"`; 0: chosen by an integrated likelihood among 1 to 8.
    min_cells, min_controls
        A stratum with fewer perturbed or control cells has no plan of its own; its mean is drawn towards that of the others.
    min_context_controls
        A context with fewer training controls cannot be centred; its cells are left out and counted.
    max_controls
        Controls of a stratum that enter plans; more are drawn from, and moved through the potentials.
    n_null, n_draws
        Plans between controls and drawn controls for each size, and draws of control means behind each p-value.
    tolerance
        Relative L1 violation of the marginals at which an iteration stops.
    reach
        Of `"unbalanced"`: what deviating from a marginal costs, in units of the mean control cost.
    moved_share
        Of `"partial"`: mass that is moved, in (0, 1].
    seed
        Draws controls, halves and clusters.
    """

    solver: Literal["sinkhorn", "bures", "emd", "unbalanced", "partial", "raw"] = "sinkhorn"
    epsilon: float = 0.2
    strata: Literal["auto", "state", "clusters", "none"] = "auto"
    n_clusters: int = 0
    min_cells: int = 20
    min_controls: int = 50
    min_context_controls: int = 5
    max_controls: int = 4000
    n_null: int = 6
    n_draws: int = 199
    tolerance: float = 1e-4
    reach: float = 1.0
    moved_share: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("strata", self.strata, STRATA)
        for name in (
            "epsilon",
            "tolerance",
            "reach",
            "min_cells",
            "min_controls",
            "min_context_controls",
            "max_controls",
        ):
            if not getattr(self, name) > 0:
                problem = f"{name} is {getattr(self, name)}."
                raise DataError(problem, cure="Pass a number above 0.")
        if not 0 < self.moved_share <= 1 or self.n_null < 2 or self.n_draws < 19 or self.n_clusters < 0:
            problem = f"moved_share is {self.moved_share}, n_null {self.n_null}, n_draws {self.n_draws}, n_clusters {self.n_clusters}."
            raise DataError(problem, cure="Use a share in (0, 1], 2 null plans, 19 draws and 0 clusters at least.")

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)
