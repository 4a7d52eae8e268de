"""What a latent model is made of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from perturbridge._checks import one_of
from perturbridge.errors import FitError

__all__ = ["Architecture"]

_CHOICES = (
    ("likelihood", ("nb", "zinb", "gaussian")),
    ("dispersion", ("gene", "gene-context", "gene-cell")),
    ("library", ("observed", "latent")),
    ("norm", ("batch", "layer", "none")),
    ("context_as", ("one_hot", "embedding")),
    ("decoder", ("mlp", "additive")),
)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Settings of the generative model and its encoder; the defaults are those of scVI with a negative binomial.

    Parameters
    ----------
    likelihood
        `"nb"`: counts, negative binomial. `"zinb"`: with extra zeros. `"gaussian"`: log1p of counts per 10,000, normal.
    dispersion
        One dispersion (θ, or the variance of the Gaussian) per `"gene"`, per `"gene-context"`, or decoded per `"gene-cell"`.
    library
        `"observed"`: the counts of the cell. `"latent"`: inferred, with a log-normal prior per context.
    n_latent
        Dimensions of z that hold biology.
    n_latent_context
        Further dimensions that may hold the context; 0: z is not divided.
    n_hidden, n_layers
        Width and number (1 to 3) of hidden layers, of encoder and decoder each.
    norm
        `"batch"`, `"layer"` or `"none"`.
    dropout
        Share of hidden units dropped in the encoder.
    context_as
        How the decoder is told the context: `"one_hot"` or a learnt `"embedding"`.
    n_context_dims
        Dimensions of that embedding.
    encode_context
        Whether the encoder is told the context too; an encoder that is not can encode any cell.
    decode_context
        Whether the decoder is told the context; one that is not has to find it in z, best in context columns.
    posterior_sd
        Standard deviation of q(z | x); None: learnt for each cell and dimension. Fixed, the KL term is ½‖μ‖² and a constant.
    decoder
        `"mlp"`, or `"additive"`: each dimension of z is decoded alone and their rates are added.
    """

    likelihood: Literal["nb", "zinb", "gaussian"] = "nb"
    dispersion: Literal["gene", "gene-context", "gene-cell"] = "gene"
    library: Literal["observed", "latent"] = "observed"
    n_latent: int = 10
    n_latent_context: int = 0
    n_hidden: int = 128
    n_layers: int = 1
    norm: Literal["batch", "layer", "none"] = "batch"
    dropout: float = 0.1
    context_as: Literal["one_hot", "embedding"] = "one_hot"
    n_context_dims: int = 8
    encode_context: bool = False
    decode_context: bool = True
    posterior_sd: float | None = None
    decoder: Literal["mlp", "additive"] = "mlp"

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES:
            one_of(name, getattr(self, name), allowed)
        for name, low, high in (
            ("n_latent", 1, 4096),
            ("n_latent_context", 0, 4096),
            ("n_hidden", 1, 65536),
            ("n_layers", 1, 3),
            ("n_context_dims", 1, 4096),
            ("dropout", 0.0, 0.99),
            ("posterior_sd", 1e-3, 10.0),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                problem = f"{name} is {value}."
                raise FitError(problem, cure=f"Use a number from {low} to {high}.")
        if self.likelihood == "gaussian" and self.library == "latent":
            problem = "A Gaussian of log1p values has no library size to infer."
            raise FitError(problem, cure="Use library='observed', or a count likelihood.")

    @property
    def n_dims(self) -> int:
        """Dimensions of z, both parts."""
        return self.n_latent + self.n_latent_context

    def as_json(self) -> dict[str, str | int | float | bool | None]:
        """Return plain JSON types."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
