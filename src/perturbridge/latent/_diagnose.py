"""Is the latent alive, and does the model fit?"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from perturbridge.values import Finding

from ._generate import draw
from ._noise import Noise, generator
from ._refine import refined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._encode import Cells
    from .cells._batch import Batch
    from .modules._posterior import Posterior

__all__ = ["Diagnosis", "diagnose"]

ACTIVE_VARIANCE = 0.01
# Nats; a mark that tells two equal halves of the cells apart has 0.69.
LEAST_INFORMATION = 0.1
DIAGNOSIS = 10
REFINING_STEPS = 20
CURES = (
    "Raise free_bits (such as 0.1), lower beta, make warmup longer, or use a narrower decoder (n_hidden); "
    "if the data hold no more, lower n_latent."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Diagnosis:
    """Figures about a fitted model on some cells.

    Parameters
    ----------
    n_cells
        Cells looked at.
    elbo, log_likelihood, kl
        Means over cells, nats.
    kl_by_dim
        Mean KL by dimension, nats `(n_dims,)`.
    mean_variance
        Variance over cells of the posterior mean `(n_dims,)`; a dimension is active above 0.01 (Burda et al. 2016).
    n_active
        Active dimensions.
    mutual_information
        I(x; z) under q, nats, estimated among these cells and so at most ln n_cells.
    amortization_gap
        ELBO gained by 20 steps on each cell's own posterior, nats per cell: what the encoder leaves on the table.
    mean_correlation, variance_correlation, zero_correlation
        Pearson correlation over genes of ln(mean), ln(variance) and share of zeros between drawn and real cells; 1 is best.
    zeros_drawn, zeros_real
        Share of zeros.
    findings
        Collapse and the like, with cures.
    """

    n_cells: int
    elbo: float
    log_likelihood: float
    kl: float
    kl_by_dim: NDArray[np.float64]
    mean_variance: NDArray[np.float64]
    n_active: int
    mutual_information: float
    amortization_gap: float
    mean_correlation: float
    variance_correlation: float
    zero_correlation: float
    zeros_drawn: float
    zeros_real: float
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self).items()}
        plain = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in plain.items()}
        return {**plain, "findings": [finding.as_json() for finding in self.findings]}


@torch.no_grad()
def diagnose(cells: Cells, *, seed: int = 0) -> Diagnosis:
    """Look at a model on some cells, best such as the fit did not see; memory grows with their number times the genes."""
    fitted, module = cells.fitted, cells.fitted.module
    device = next(module.parameters()).device
    rng = np.random.default_rng((DIAGNOSIS, seed))
    terms, gains, real, drawn, posteriors = [], [], [], [], []
    for i, batch in enumerate(cells.batches()):
        noise = generator(DIAGNOSIS, seed, i, device=device)
        found = module(batch, Noise.whole(batch.n_cells, noise))
        terms.append(found)
        posteriors.append(found.posterior)
        gains.append(_gain(cells, batch, found.posterior, seed=(seed, i)))
        decoded = module.decoder(found.z, batch.context, batch.condition)
        counts = batch.counts
        real.append(counts.dense(module.values(batch) if _is_gaussian(cells) else counts.value).cpu().numpy())
        library = counts.total.clamp_min(1).double().unsqueeze(1).cpu().numpy()
        drawn.append(draw(fitted, decoded, batch.context.cpu().numpy(), library=library, rng=rng))
    kl = torch.cat([t.kl for t in terms]).double().mean(0).cpu().numpy()
    mean = torch.cat([p.mean for p in posteriors]).double()
    variance = torch.cat([p.variance for p in posteriors]).double()
    spread = mean.var(0, correction=0).cpu().numpy()
    match = _matches(np.concatenate(real), np.concatenate(drawn))
    information = _information(mean, variance, source=generator(DIAGNOSIS, seed, device=device))
    return Diagnosis(
        n_cells=len(mean),
        elbo=float(torch.cat([t.elbo() for t in terms]).double().mean()),
        log_likelihood=float(torch.cat([t.log_likelihood for t in terms]).double().mean()),
        kl=float(kl.sum()),
        kl_by_dim=kl,
        mean_variance=spread,
        n_active=int((spread > ACTIVE_VARIANCE).sum()),
        mutual_information=information,
        amortization_gap=float(np.concatenate(gains).mean()),
        **match,
        findings=_findings(spread, information),
    )


def _is_gaussian(cells: Cells) -> bool:
    return cells.fitted.architecture.likelihood == "gaussian"


def _findings(spread: NDArray[np.float64], information: float) -> tuple[Finding, ...]:
    """Name a collapse by what z tells, too: means that still vary by more than 0.01 may drown in a posterior as wide as the prior."""
    dead = np.flatnonzero(spread <= ACTIVE_VARIANCE)
    if len(dead) == len(spread) or information < LEAST_INFORMATION:
        what = f"The posterior has collapsed: z tells {max(information, 0):.2g} nats of x."
        return (Finding(level="warning", code="posterior_collapse", message=f"{what} {CURES}", count=len(spread)),)
    if len(dead) == 0:
        return ()
    return (
        Finding(
            level="warning" if 2 * len(dead) > len(spread) else "info",
            code="inactive_dimensions",
            message=f"Dimensions of z say nothing about x. {CURES}",
            count=len(dead),
            example=f"dimension {dead[0]}",
        ),
    )


def _gain(cells: Cells, batch: Batch, posterior: Posterior, *, seed: tuple[int, int]) -> NDArray[np.float64]:
    """ELBO after refining minus before, at the same noise, by cell."""
    module = cells.fitted.module
    better = refined(module, batch, posterior, n_steps=REFINING_STEPS)
    library = module.infer_library(batch, None)
    device = posterior.mean.device
    after, before = (
        torch.stack(
            [
                module.terms(
                    q, batch, Noise.whole(batch.n_cells, generator(DIAGNOSIS, *seed, k, device=device)), library=library
                ).elbo()
                for k in range(4)
            ]
        ).mean(0)
        for q in (better, posterior)
    )
    return np.asarray((after - before).double().cpu().numpy())


def _information(mean: torch.Tensor, variance: torch.Tensor, *, source: torch.Generator) -> float:
    """E ln q(z | x) − E ln (1/n) Σ_j q(z | x_j) at samples of q (Hoffman & Johnson 2016), over at most 2,000 cells."""
    mean, variance = mean[:2000], variance[:2000]
    noise = torch.randn(mean.shape, generator=source, device=mean.device, dtype=torch.float32).double()
    z = mean + variance.sqrt() * noise
    total = 0.0
    for start in range(0, len(z), 200):
        part = z[start : start + 200, None, :]
        density = -0.5 * ((part - mean) ** 2 / variance + variance.log()).sum(2)
        own = (
            density.diagonal(offset=start) if len(density) == len(mean) else density[:, start : start + 200].diagonal()
        )
        total += float((own - density.logsumexp(1) + math.log(len(mean))).sum())
    return total / len(z)


def _matches(real: NDArray[np.float32], drawn: NDArray[np.float32]) -> dict[str, float]:
    zeros = [(x == 0).mean(axis=0) for x in (real, drawn)]
    means = [np.log(x.mean(axis=0, dtype=np.float64) + 1e-6) for x in (real, np.maximum(drawn, 0))]
    variances = [np.log(x.var(axis=0, dtype=np.float64) + 1e-6) for x in (real, drawn)]
    return {
        "mean_correlation": _correlation(*means),
        "variance_correlation": _correlation(*variances),
        "zero_correlation": _correlation(*zeros),
        "zeros_real": float(zeros[0].mean()),
        "zeros_drawn": float(zeros[1].mean()),
    }


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
