"""What can be asked of a block of the latent: to carry a label, or not to, beyond what strata of biology tell of it."""

from __future__ import annotations

from ._classifier import Adversary, Classifier
from ._club import CLUB
from ._cross_covariance import CrossCovariance
from ._gradient import ramp, scale_gradient
from ._hsic import HSIC
from ._labels import Design
from ._mmd import MMD
from ._overlap import Overlap
from ._residual import Cells, Term
from ._separation import KINDS, STRENGTHS, Separation
from ._table import penalty_of

__all__ = [
    "CLUB",
    "HSIC",
    "KINDS",
    "MMD",
    "STRENGTHS",
    "Adversary",
    "Cells",
    "Classifier",
    "CrossCovariance",
    "Design",
    "Overlap",
    "Separation",
    "Term",
    "penalty_of",
    "ramp",
    "scale_gradient",
]
