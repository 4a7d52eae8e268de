"""What can be asked of a block of the latent: to carry a label, or not to, beyond what strata of biology tell of it."""

from __future__ import annotations

from ._classifier import Adversary, Classifier
from ._club import CLUB
from ._cross_covariance import CrossCovariance
from ._gradient import ramp, scale_gradient
from ._hsic import HSIC
from ._mmd import MMD
from ._overlap import Overlap, cross_codes
from ._residual import Cells, Term
from ._specs import KINDS, Penalties, Penalty, PenaltySum

__all__ = [
    "CLUB",
    "HSIC",
    "KINDS",
    "MMD",
    "Adversary",
    "Cells",
    "Classifier",
    "CrossCovariance",
    "Overlap",
    "Penalties",
    "Penalty",
    "PenaltySum",
    "Term",
    "cross_codes",
    "ramp",
    "scale_gradient",
]
