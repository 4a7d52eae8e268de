"""One thing asked of one block of the latent, as settings and as a module of the training loop."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor, nn

from perturbridge._checks import one_of
from perturbridge.errors import FitError

from ._classifier import Adversary, Classifier
from ._club import CLUB
from ._cross_covariance import CrossCovariance
from ._gradient import ramp
from ._hsic import HSIC
from ._labels import LABELS
from ._mmd import MMD
from ._overlap import Overlap
from ._residual import Cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._interface import StepView
    from ._labels import Design

__all__ = ["KINDS", "STRENGTHS", "Separation"]

STRENGTHS: Mapping[str, float] = MappingProxyType(
    {"adversary": 3.0, "classifier": 1.0, "club": 2.0, "cross_covariance": 10.0, "hsic": 30.0, "mmd": 20.0}
)
"""What can be asked, and how strongly where nothing is said; chosen on small simulated screens, none on real cells."""
KINDS = tuple(STRENGTHS)


@dataclass(frozen=True, kw_only=True)
class Separation:
    """Let a block of z carry a label, or keep it from it, beyond what strata of biology tell of the label.

    Parameters
    ----------
    kind
        `"classifier"`: the block carries the label. `"adversary"`, `"mmd"`, `"hsic"`, `"club"`: it does not.
        `"cross_covariance"`: it is uncorrelated with the context block; `label` is not used.
    strength
        What the gradient that reaches the encoder is multiplied by, ≥ 0; it ramps up from 0, except for `"classifier"`. None: 20
        for MMD, 30 for HSIC, 3 for an adversary, 2 for CLUB, 10 for cross-covariance, 1 for a classifier.
    label
        `"context"`, `"perturbation"` or `"state"`.
    within
        Labels whose combinations are the strata, of `"perturbation"` and `"state"`; empty for none.
    block
        `"bio"` or `"context"`, the two parts of z; None: biology, except for a classifier of the context.
    dims
        First and last dimension (excluded) of the block to work on; None: all of it.
    on
        `"mean"`: the posterior mean, which is what a latent holds afterwards. `"sample"`: a draw.
    """

    kind: Literal["classifier", "adversary", "mmd", "hsic", "club", "cross_covariance"]
    strength: float | None = None
    label: Literal["context", "perturbation", "state"] = "context"
    within: tuple[str, ...] = ("perturbation", "state")
    block: Literal["bio", "context"] | None = None
    dims: tuple[int, int] | None = None
    on: Literal["mean", "sample"] = "mean"

    def __post_init__(self) -> None:
        one_of("kind of separation", self.kind, KINDS)
        one_of("label", self.label, LABELS)
        if self.strength is None:
            object.__setattr__(self, "strength", STRENGTHS[self.kind])
        if self.block is None:
            carries = self.kind == "classifier" and self.label == "context"
            object.__setattr__(self, "block", "context" if carries else "bio")
        strength = cast("float", self.strength)
        one_of("block", str(self.block), ("bio", "context"))
        one_of("on", self.on, ("mean", "sample"))
        for name in self.within:
            one_of("label of strata", name, LABELS[1:])
        if not (math.isfinite(strength) and strength >= 0):
            problem = f"The strength of {self.name!r} is {self.strength}."
            raise FitError(problem, cure="Pass a finite number, 0 or above.")
        if self.label in self.within:
            problem = f"{self.name!r} asks for {self.label!r} within strata of {self.label!r}, where it does not vary."
            raise FitError(problem, cure=f"Leave {self.label!r} out of within=.")

    @property
    def name(self) -> str:
        """Kind, block and label, such as `mmd_bio_context`."""
        part = "" if self.dims is None else f"{self.dims[0]}to{self.dims[1]}"
        return f"{self.kind}_{self.block}{part}_{self.label}"

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"name": "separation"} | {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def build(self, *, n_bio: int, n_context_dims: int, design: Design, source: torch.Generator) -> nn.Module:
        """Return the module of the training loop.

        Raises
        ------
        FitError
            If the block has no such dimensions, or label and strata cannot be told apart.
        """
        width = n_bio if self.block == "bio" else n_context_dims
        first, last = self.dims or (0, width)
        if not 0 <= first < last <= width or (self.kind == "cross_covariance" and n_context_dims == 0):
            problem = f"{self.name!r} asks for dimensions {first} to {last} of {width}, with {n_context_dims} for the context."
            raise FitError(problem, cure="Set n_latent and n_latent_context of the architecture accordingly.")
        return SeparationTerm(self, design, n_dims=last - first, source=source)


class SeparationTerm(nn.Module):
    """What is added to the loss for one `Separation`.

    Parameters
    ----------
    asked
        Settings.
    design
        How the training cells lie.
    n_dims
        Width of what is looked at.
    source
        Draws the first weights.
    """

    labels: Tensor
    strata: Tensor

    def __init__(self, asked: Separation, design: Design, *, n_dims: int, source: torch.Generator) -> None:
        super().__init__()
        self.asked = asked
        labels, strata = design.tables(asked.label, asked.within)
        self.register_buffer("labels", torch.from_numpy(labels), persistent=False)
        self.register_buffer("strata", torch.from_numpy(strata), persistent=False)
        n_strata = int(strata.max()) + 1
        if asked.kind == "cross_covariance":
            self.part: nn.Module = CrossCovariance(n_strata)
            return
        codes = design.context if asked.label == "context" else labels[design.stratum]
        n_labels = design.n_contexts if asked.label == "context" else int(labels.max()) + 1
        overlap = Overlap.of(codes, strata[design.stratum], n_labels=n_labels, n_strata=n_strata)
        self.part = _build(asked.kind, overlap, n_dims=n_dims, source=source)

    def forward(self, view: StepView) -> dict[str, Tensor]:
        """Return the term by name."""
        asked = self.asked
        strength = cast("float", asked.strength) * (1.0 if asked.kind == "classifier" else ramp(view.share))
        z = view.posterior.mean if asked.on == "mean" else view.z
        n_bio = view.z_bio.shape[1]
        block = z[:, :n_bio] if asked.block == "bio" else z[:, n_bio:]
        if asked.dims is not None:
            block = block[:, slice(*asked.dims)]
        stratum = self._look_up(self.strata, view.stratum)
        if asked.kind == "cross_covariance":
            return {asked.name: self.part(block, z[:, n_bio:], stratum, strength=strength).loss}
        label = view.context if asked.label == "context" else self._look_up(self.labels, view.stratum)
        return {asked.name: self.part(Cells(block, label, stratum), strength).loss}

    def _look_up(self, table: Tensor, stratum: Tensor) -> Tensor:
        known = (stratum >= 0) & (stratum < len(table))
        found = table[torch.where(known, stratum, 0)]
        return torch.where(known, found, -1)


def _build(kind: str, overlap: Overlap, *, n_dims: int, source: torch.Generator) -> nn.Module:
    if kind == "mmd":
        return MMD(overlap)
    if kind == "hsic":
        return HSIC(overlap)
    learnt = {"classifier": Classifier, "adversary": Adversary, "club": CLUB}
    return learnt[kind](overlap, n_dims=n_dims, generator=source)
