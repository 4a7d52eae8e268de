"""A fitted latent model: the networks and everything needed to use them on other cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from perturbridge.injection import InjectionSpec
    from perturbridge.values import Finding

    from ._architecture import Architecture
    from .modules._vae import Vae

__all__ = ["Conditions", "Fitted"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Conditions:
    """What is injected into the decoder for each perturbation.

    Parameters
    ----------
    names
        Perturbations, the control first.
    table
        `(n_names, n_condition)`, float32; zeros for the control.
    """

    names: tuple[str, ...]
    table: NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """What a fit leaves behind.

    Parameters
    ----------
    module
        The networks, in evaluation mode, in float32.
    architecture
        Their settings.
    genes
        Genes of the model, in order.
    contexts
        Contexts of the decoder, in order; one empty name where there is no grouping.
    context_column
        Column they come from, empty where there is no grouping.
    n_reference
        How many of them were there before surgery.
    logged, target_sum
        Whether values are log1p already, and counts per cell after scaling.
    injection, conditions
        How and what is injected, or None.
    labels, label_column
        Labels of the classifier, in order, and the column they come from; none without semi-supervision.
    context_z
        Mean of the context columns of z by context `(n_contexts, n_latent_context)`.
    split_hash, seen, screen_mark
        Split of the fit, rows it saw, and a mark of the screen they are rows of.
    penalties
        What the loss held besides the bound, plain JSON types.
    history
        One record per epoch.
    settings
        Training settings, plain JSON types.
    findings
        What was noticed.
    """

    module: Vae
    architecture: Architecture
    genes: tuple[str, ...]
    contexts: tuple[str, ...]
    context_column: str = ""
    n_reference: int
    logged: bool
    target_sum: float
    injection: InjectionSpec | None = None
    conditions: Conditions | None = None
    labels: tuple[str, ...] = ()
    label_column: str = ""
    context_z: NDArray[np.float32]
    split_hash: str = ""
    seen: NDArray[np.int64]
    screen_mark: str = ""
    penalties: tuple[dict[str, Any], ...] = ()
    history: tuple[dict[str, Any], ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
