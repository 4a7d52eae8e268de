"""Published designs as compositions of the same parts, written from the maths of their papers."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import one_of
from perturbridge.injection import Concat
from perturbridge.values import EmbeddingCard, GeneEmbedding

from ._architecture import Architecture
from ._settings import LatentSettings
from .penalties._separation import Separation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from perturbridge.values import Screen

    from ._model import LatentModel
    from ._training import Training

__all__ = ["DESIGNS", "latent_design", "one_hot_genes"]

KEPT = ("perturbation", "state")


def latent_design(
    name: str, *, context: str | None = "context", n_latent: int = 10, training: Training | None = None
) -> LatentModel:
    """Return an unfitted model of a published design, or of our own; none of them sees more than the others.

    Parameters
    ----------
    name
        `"scvi"`: the decoder is told the context. `"scanvi"`: with a prior for each state. `"scidrl"`: nobody tells the decoder; a
        context block is classified, an adversary keeps the rest from it. `"scdisinfact"`: a shared block and one that tells the
        perturbation, MMD over contexts and perturbations. `"biolord"`: perturbation and context are told by learnt vectors, z is
        the rest with fixed noise; fit it with `embedding=one_hot_genes(screen)`. `"drvi"`: each dimension decoded alone.
        `"perturbridge"`: scVI's, with MMD and an adversary within strata.
    context
        Grouping to take out.
    n_latent
        Dimensions of z that hold biology.
    training
        How it is trained; the same for all is a fair comparison.

    Raises
    ------
    DataError
        If the name is unknown.
    """
    settings = DESIGNS[one_of("design", name, tuple(DESIGNS))](n_latent)
    return (settings if training is None else replace(settings, training=training)).model(context)


def one_hot_genes(screen: Screen) -> GeneEmbedding:
    """Return the identity as an embedding of the perturbed genes, so that a model learns a vector for each.

    Parameters
    ----------
    screen
        Its perturbations name the genes.
    """
    genes = tuple(sorted({gene for name in screen.perturbations for gene in name.genes}))
    return GeneEmbedding(
        vectors=np.eye(len(genes), dtype=np.float32),
        genes=genes,
        rows=np.arange(len(genes)),
        card=EmbeddingCard(name="one_hot", description="One column for each perturbed gene."),
    )


def _scvi(n_latent: int) -> LatentSettings:
    """p(x | z, b), q(z | x) (Lopez et al. 2018, Nat. Methods 15:1053)."""
    return LatentSettings(design="scvi", architecture=Architecture(n_latent=n_latent))


def _scanvi(n_latent: int) -> LatentSettings:
    """p(x | z, b), p(z | u, state), q(state | z) (Xu et al. 2021, Mol. Syst. Biol. 17:e9620)."""
    return LatentSettings(design="scanvi", architecture=Architecture(n_latent=n_latent), labels="state")


def _scidrl(n_latent: int) -> LatentSettings:
    """p(x | z_bio, z_noise); a classifier on z_noise, a reversed gradient on z_bio (scIDRL).

    Here the reversed gradient works within strata, ramps up, and its head keeps pace; the likelihood is that of counts.
    """
    return LatentSettings(
        design="scidrl",
        architecture=Architecture(n_latent=n_latent, n_latent_context=4, decode_context=False),
        penalties=(
            Separation(kind="classifier", block="context", within=KEPT),
            Separation(kind="adversary", strength=3.0, within=KEPT),
        ),
    )


def _scdisinfact(n_latent: int) -> LatentSettings:
    """Z = [shared, condition]: MMD of shared over contexts and over perturbations, MMD of condition over contexts within a
    perturbation, a classifier of the perturbation on condition; p(x | z, b) (Zhang et al. 2024, Nat. Commun. 15:912).

    Here the MMD is unbiased and within strata, every step sees all contexts and perturbations, and the encoder is not told the
    context, so that it can encode others.
    """
    n_own = max(n_latent // 3, 1)
    shared, own = (0, n_latent - n_own), (n_latent - n_own, n_latent)
    return LatentSettings(
        design="scdisinfact",
        architecture=Architecture(n_latent=n_latent),
        penalties=(
            Separation(kind="mmd", strength=20.0, dims=shared),
            Separation(kind="mmd", strength=20.0, dims=shared, label="perturbation", within=("state",)),
            Separation(kind="mmd", strength=20.0, dims=own),
            Separation(kind="classifier", dims=own, label="perturbation", within=("state",)),
        ),
    )


def _biolord(n_latent: int) -> LatentSettings:
    """p(x | u, e_perturbation, e_context), u = encoder(x) + 0.1 · noise, ½‖u‖² as penalty (Piran et al. 2024, Nat. Biotechnol. 42:1678).

    There u is a free vector for each training cell, so that no other cell can be embedded; here an encoder gives it.
    """
    return LatentSettings(
        design="biolord",
        architecture=Architecture(n_latent=n_latent, context_as="embedding", posterior_sd=0.1),
        injection=Concat(),
    )


def _drvi(n_latent: int) -> LatentSettings:
    """Rate ∝ Σ_d exp f(z_d, b): each dimension is decoded alone (Moinfar & Theis 2024, bioRxiv 2024.11.06.622266)."""
    return LatentSettings(design="drvi", architecture=Architecture(n_latent=n_latent, decoder="additive"))


def _perturbridge(n_latent: int) -> LatentSettings:
    """p(x | z, b) with MMD and adversary on z, within perturbation and state."""
    return LatentSettings(
        design="perturbridge",
        architecture=Architecture(n_latent=n_latent),
        penalties=(Separation(kind="mmd", strength=20.0), Separation(kind="adversary", strength=3.0)),
    )


DESIGNS: Mapping[str, Callable[[int], LatentSettings]] = MappingProxyType(
    {
        "biolord": _biolord,
        "drvi": _drvi,
        "perturbridge": _perturbridge,
        "scanvi": _scanvi,
        "scdisinfact": _scdisinfact,
        "scidrl": _scidrl,
        "scvi": _scvi,
    }
)
"""Settings of each design by its name, given the dimensions of z that hold biology."""
