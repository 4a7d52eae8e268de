"""Which penalties a model is trained with, and their sum on a minibatch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from perturbridge._checks import one_of
from perturbridge.errors import FitError

from ._classifier import Adversary, Classifier
from ._club import CLUB
from ._cross_covariance import CrossCovariance
from ._gradient import ramp
from ._hsic import HSIC
from ._mmd import MMD
from ._overlap import Overlap, cross_codes
from ._residual import Cells, Term

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["KINDS", "Penalties", "Penalty"]

KINDS = ("classifier", "adversary", "mmd", "hsic", "club", "cross_covariance")


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """One thing asked of one block of the latent.

    Parameters
    ----------
    kind
        `"classifier"`: the block carries the label. `"adversary"`, `"mmd"`, `"hsic"`, `"club"`: it does not, beyond the strata.
        `"cross_covariance"`: it is uncorrelated with the block named by `label`.
    block
        Name of the block of the latent, such as `"bio"`.
    label
        Name of the label of the cells, such as `"context"`; for `"cross_covariance"` the name of the other block.
    within
        Names of the labels whose combinations are the strata; empty for none.
    strength
        What the gradient that reaches the encoder is multiplied by, ≥ 0; it ramps up from 0, except for `"classifier"`.
    """

    kind: str
    block: str
    label: str
    within: tuple[str, ...] = ()
    strength: float = 1.0

    def __post_init__(self) -> None:
        one_of("kind of penalty", self.kind, KINDS)
        if not (math.isfinite(self.strength) and self.strength >= 0):
            problem = f"The strength of penalty {self.name!r} is {self.strength}."
            raise FitError(problem, cure="Pass a finite number, 0 or above.")

    @property
    def name(self) -> str:
        """Kind, label and block, such as `mmd(context | bio)`."""
        return f"{self.kind}({self.label} | {self.block})"


class PenaltySum(NamedTuple):
    """Loss of all penalties on a minibatch, and the figure of each, detached, by name."""

    loss: Tensor
    figures: dict[str, Tensor]


class Penalties(nn.Module):
    """Sum of penalties; labels and strata of all cells are laid out once, in `codes`.

    Parameters
    ----------
    asked
        Penalties; those of strength 0 are built too, and only measure.
    labels
        Codes of each label by name `(n_cells,)`, below 0 where missing.
    training
        Cells that are trained on, indices.
    widths
        Number of dimensions of each block by name.
    generator
        Draws the first weights.

    Raises
    ------
    FitError
        If a name is unknown, a penalty stands twice, or a label cannot be told from its strata.
    """

    def __init__(
        self,
        asked: Sequence[Penalty],
        *,
        labels: Mapping[str, NDArray[np.integer]],
        training: NDArray[np.integer],
        widths: Mapping[str, int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.asked = tuple(asked)
        if len({p.name for p in self.asked}) < len(self.asked):
            problem = f"{len(self.asked)} penalties have {len({p.name for p in self.asked})} names."
            raise FitError(problem, cure="Ask for each kind once per block and label.")
        columns: list[NDArray[np.int64]] = []
        parts: list[nn.Module] = []
        for penalty in self.asked:
            _known("block", penalty.block, widths, penalty=penalty)
            strata = _strata(penalty, labels)
            if penalty.kind == "cross_covariance":
                _known("block", penalty.label, widths, penalty=penalty)
                columns += [strata, strata]
                parts.append(CrossCovariance(int(strata.max()) + 1))
                continue
            _known("label", penalty.label, labels, penalty=penalty)
            codes = np.asarray(labels[penalty.label], dtype=np.int64)
            columns += [codes, strata]
            overlap = Overlap.of(
                codes[training],
                strata[training],
                n_labels=int(codes.max()) + 1,
                n_strata=int(strata.max()) + 1,
            )
            parts.append(_build(penalty.kind, overlap, n_dims=widths[penalty.block], generator=generator))
        self.parts = nn.ModuleList(parts)
        self.codes = torch.from_numpy(np.stack(columns, axis=1)) if columns else torch.empty(0, 0, dtype=torch.int64)

    def forward(self, blocks: Mapping[str, Tensor], cells: Tensor, progress: float) -> PenaltySum:
        """Return loss and figures.

        Parameters
        ----------
        blocks
            Each `(n, n_dims)`, by name.
        cells
            Which cells of the screen the rows are `(n,)`.
        progress
            Share of the training steps done, 0 to 1.
        """
        first = next(iter(blocks.values()))
        loss = first.new_zeros(())
        figures = {}
        rows = self.codes[cells.to(self.codes.device)].to(first.device) if self.asked else cells
        for i, (penalty, part) in enumerate(zip(self.asked, self.parts, strict=True)):
            strength = penalty.strength * (1.0 if penalty.kind == "classifier" else ramp(progress))
            label, stratum = rows[:, 2 * i], rows[:, 2 * i + 1]
            term: Term = (
                part(blocks[penalty.block], blocks[penalty.label], stratum, strength=strength)
                if penalty.kind == "cross_covariance"
                else part(Cells(blocks[penalty.block], label, stratum), strength)
            )
            loss = loss + term.loss
            figures[penalty.name] = term.figure
        return PenaltySum(loss, figures)


def _build(kind: str, overlap: Overlap, *, n_dims: int, generator: torch.Generator) -> nn.Module:
    if kind == "mmd":
        return MMD(overlap)
    if kind == "hsic":
        return HSIC(overlap)
    learnt = {"classifier": Classifier, "adversary": Adversary, "club": CLUB}
    return learnt[kind](overlap, n_dims=n_dims, generator=generator)


def _strata(penalty: Penalty, labels: Mapping[str, NDArray[np.integer]]) -> NDArray[np.int64]:
    for name in penalty.within:
        _known("label", name, labels, penalty=penalty)
    if penalty.within:
        return cross_codes(*(labels[name] for name in penalty.within))
    return np.zeros(len(next(iter(labels.values()))), dtype=np.int64)


def _known(what: str, name: str, known: Mapping[str, object], *, penalty: Penalty) -> None:
    if name not in known:
        problem = f"Penalty {penalty.name!r} asks for {what} {name!r}."
        raise FitError(problem, cure=f"Use one of {', '.join(repr(k) for k in known)}.")
