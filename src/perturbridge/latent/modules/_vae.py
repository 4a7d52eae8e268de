"""The model: encoder, decoder, dispersion and library joined into the terms of the evidence lower bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from perturbridge.latent.likelihoods._gaussian import gaussian
from perturbridge.latent.likelihoods._negative_binomial import negative_binomial

from ._decoder import Decoded, Decoder
from ._encoder import Encoder, log_values
from ._labels import LabelPrior
from ._posterior import Posterior

if TYPE_CHECKING:
    from torch import Tensor

    from perturbridge.injection import InjectionSpec
    from perturbridge.latent._architecture import Architecture
    from perturbridge.latent._noise import Noise
    from perturbridge.latent.cells._batch import Batch

__all__ = ["Sizes", "Terms", "Vae"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Terms:
    """ELBO = log_likelihood − Σ_d kl − kl_other, per cell, in nats.

    Parameters
    ----------
    log_likelihood
        ln p(x | z, l, context) at one sample of q `(n_cells,)`.
    kl
        KL(q(z | x) ‖ prior) by dimension `(n_cells, n_dims)`.
    kl_other
        KL of the library size and of the label, 0 where both are observed `(n_cells,)`.
    posterior, z
        q(z | x) and the sample.
    cross_entropy
        Of the label, a scalar; None without labels.
    """

    log_likelihood: Tensor
    kl: Tensor
    kl_other: Tensor
    posterior: Posterior
    z: Tensor
    cross_entropy: Tensor | None = None

    def elbo(self) -> Tensor:
        """The bound for each cell `(n_cells,)`; higher is better."""
        return self.log_likelihood - self.kl.sum(1) - self.kl_other


@dataclass(frozen=True)
class Sizes:
    """Sizes that the data decide.

    Parameters
    ----------
    n_genes, n_contexts
        Genes, and contexts of the decoder: one where there is no grouping.
    n_condition
        Columns of what is injected into the decoder.
    n_labels
        Labels that are known for some cells; 0: z has a standard normal prior.
    """

    n_genes: int
    n_contexts: int
    n_condition: int = 0
    n_labels: int = 0


class Vae(nn.Module):
    """p(z) = N(0, I), p(x | z, l, b) as the architecture says, q(z | x) a network.

    Parameters
    ----------
    sizes
        What the data decide.
    architecture
        Settings.
    injection
        How a condition enters the decoder, or None.
    logged, target_sum
        Whether values are log1p already; counts per cell after scaling (the Gaussian alone).
    source
        Draws the weights.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        architecture: Architecture,
        injection: InjectionSpec | None = None,
        logged: bool = False,
        target_sum: float = 1e4,
        source: torch.Generator,
    ) -> None:
        super().__init__()
        n_genes, n_contexts = sizes.n_genes, sizes.n_contexts
        self.architecture = architecture
        self.logged, self.target_sum = logged, target_sum
        self.low = False
        self.encoder = Encoder(
            n_genes, architecture.n_dims, architecture=architecture, n_contexts=n_contexts, source=source
        )
        built = (
            None
            if injection is None
            else injection.build(
                n_dims=architecture.n_dims,
                n_condition=sizes.n_condition,
                n_hidden=architecture.n_hidden,
                n_layers=architecture.n_layers,
                source=source,
            )
        )
        self.decoder = Decoder(n_genes, n_contexts, architecture=architecture, injection=built, source=source)
        n_sets = {"gene": 1, "gene-context": n_contexts, "gene-cell": 0}[architecture.dispersion]
        self.log_theta = nn.Parameter(torch.randn(n_sets, n_genes, generator=source))
        inferred = architecture.library == "latent"
        self.library = (
            Encoder(n_genes, 1, architecture=architecture, n_contexts=n_contexts, source=source) if inferred else None
        )
        self.labels = (
            LabelPrior(architecture.n_dims, sizes.n_labels, n_hidden=architecture.n_hidden, source=source)
            if sizes.n_labels
            else None
        )
        self.register_buffer("library_prior", torch.tensor([[0.0, 1.0]]).repeat(n_contexts, 1))

    def values(self, batch: Batch) -> Tensor:
        """What the encoder sees of the values that are not zero."""
        return log_values(
            batch.counts,
            scaled=self.architecture.likelihood == "gaussian",
            logged=self.logged,
            target_sum=self.target_sum,
        )

    def encode(self, batch: Batch, noise: Noise | None = None) -> Posterior:
        """q(z | x); dropout only with `noise`."""
        posterior: Posterior = self.encoder(
            batch.counts, self.values(batch), context=batch.context, noise=noise, low=self.low
        )
        return posterior

    def split(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Divide z into biology and context columns."""
        n = self.architecture.n_latent
        return z[:, :n], z[:, n:]

    def log_likelihood(self, z: Tensor, batch: Batch, *, log_library: Tensor | None = None) -> Tensor:
        """Ln p(x | z, l, context) `(n_cells,)`; the library is the observed one unless given `(n_cells, 1)`."""
        decoded = self.decoder(z, batch.context, batch.condition, low=self.low)
        return self.score(decoded, batch, log_library=log_library)

    def score(self, decoded: Decoded, batch: Batch, *, log_library: Tensor | None = None) -> Tensor:
        """Ln p(x | decoded parameters) `(n_cells,)`."""
        shared, sets = self.dispersion(decoded, batch.context)
        if self.architecture.likelihood == "gaussian":
            own = shared[sets] if sets is not None else shared
            return gaussian(decoded.logits, own, batch.counts.dense(self.values(batch)))
        if log_library is None:
            log_library = observed_log_library(batch)
        return negative_binomial(
            decoded.logits,
            shared,
            batch.counts,
            log_library=log_library,
            sets=sets,
            zero_logits=decoded.zero_logits,
        )

    def dispersion(self, decoded: Decoded, context: Tensor) -> tuple[Tensor, Tensor | None]:
        """Ln θ by set, and the set of each cell where there are several."""
        if decoded.log_theta is not None:
            return decoded.log_theta, None
        return self.log_theta, context if self.architecture.dispersion == "gene-context" else None

    def infer_library(self, batch: Batch, noise: Noise | None) -> Posterior | None:
        """q(ln l | x), or None where the library is observed."""
        if self.library is None:
            return None
        found: Posterior = self.library(
            batch.counts, self.values(batch), context=batch.context, noise=noise, low=self.low
        )
        # In units of the prior: a network that starts at 0 would need a thousand steps to reach ln 10,000.
        mean, variance = torch.as_tensor(self.library_prior).mean(0)
        return Posterior(mean + variance.sqrt() * found.mean, variance * found.variance)

    def library_kl(self, library: Posterior | None, context: Tensor) -> Tensor:
        """KL(q(ln l) ‖ prior of the context) `(n_cells,)`."""
        if library is None:
            return torch.zeros(len(context), device=context.device)
        prior = torch.as_tensor(self.library_prior)[context]
        return library.kl(prior[:, :1], prior[:, 1:]).sum(1)

    def forward(self, batch: Batch, noise: Noise, *, dropout: bool = False) -> Terms:
        """Terms of the bound at one sample; dropout and batch statistics belong to training alone."""
        drop = noise if dropout else None
        return self.terms(self.encode(batch, drop), batch, noise, library=self.infer_library(batch, drop))

    def terms(self, posterior: Posterior, batch: Batch, noise: Noise, *, library: Posterior | None = None) -> Terms:
        """Terms of the bound for any q(z | x), at one sample of it."""
        z = posterior.at(noise.normal(posterior.mean.shape[1]))
        log_library = None if library is None else library.at(noise.normal(1))
        other = self.library_kl(library, batch.context)
        told = None if self.labels is None else self.labels(posterior, z, batch.label, noise=noise)
        return Terms(
            log_likelihood=self.log_likelihood(z, batch, log_library=log_library),
            kl=posterior.kl() if told is None else told.kl,
            kl_other=other if told is None else other + told.kl_label,
            posterior=posterior,
            z=z,
            cross_entropy=None if told is None else told.cross_entropy,
        )


def observed_log_library(batch: Batch) -> Tensor:
    """Ln of the counts of each cell `(n_cells, 1)`; a cell without any counts as one."""
    return batch.counts.total.clamp_min(1).log().unsqueeze(1)
