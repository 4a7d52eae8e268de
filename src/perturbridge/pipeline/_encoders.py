"""Latents that an audit makes of counts, by name: each network is fitted on half of the cells and read on the others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._checks import one_of
from perturbridge.errors import DataError
from perturbridge.values import CONTROL_CODE, UNASSIGNED_CODE, PerturbationName

from ._latent_steps import likelihood_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Labels, Latent, Screen

    from ._audit_inputs import Groupings
    from ._reference import Reference

__all__ = ["made_latent"]

N_LATENT, N_CONTEXT_DIMS = 16, 4


def made_latent(name: str, screen: Screen, reference: Reference, *, groupings: Groupings | None = None) -> Latent:
    """Return a latent of the counts by name.

    Parameters
    ----------
    name
        `"PCA"`. `"AE"`: the plain autoencoder of the leakage experiment (genes ▸ 512 ▸ 64 ▸ 16). `"VAE"`, or the name of a design: 16
        dimensions, its decoder told the context. Penalties follow a plus sign: `"VAE+mmd"`, `"VAE+mmd=40+adversary"`.
    screen
        The counts.
    reference
        Their principal components.
    groupings
        Context, condition and state, where an encoder is told them.

    Raises
    ------
    DataError
        If the name is unknown, or a design needs a label that was not named.
    """
    from perturbridge.latent import DESIGNS, AutoencoderModel, latent_settings, one_hot_genes

    base, *penalties = (part.strip() for part in name.split("+"))
    one_of("make", base, ("PCA", "AE", "VAE", *DESIGNS))
    if base in ("PCA", "AE") and penalties:
        problem = f"make is {name!r}, and {base} has no penalties."
        raise DataError(problem, cure=f"Use 'VAE+{penalties[0]}', or a design.")
    if base == "PCA":
        return reference.latent
    told = screen if groupings is None else _labelled(screen, groupings)
    if base == "AE":
        return _of_half(AutoencoderModel().fit(told, rows=_half(told)).encode(told), "AE-16")
    divided = any(each.startswith(("classifier", "cross_covariance")) for each in penalties)
    networks: dict[str, Any] = {"n_latent": N_LATENT, "likelihood": likelihood_of(told)}
    asked: dict[str, Any] = {
        "design": "scvi" if base == "VAE" else base,
        "architecture": networks | ({"n_latent_context": N_CONTEXT_DIMS} if divided else {}),
    }
    settings = latent_settings(asked | ({"penalties": penalties} if penalties else {}))
    _refuse_lacking(base, told, needs_state=settings.labels == "state")
    embedding = None if settings.injection is None else one_hot_genes(told)
    known = told.context is None or told.context.codes >= 0
    fitted = settings.model().fit(told, rows=_half(told) & known, embedding=embedding)
    return _of_half(fitted.encode(told, unseen="encode"), "+".join([f"{base}-{N_LATENT}", *penalties]))


def _refuse_lacking(name: str, screen: Screen, *, needs_state: bool) -> None:
    if needs_state and screen.state is None:
        problem = f"{name!r} learns a prior for each state, and no state was named."
        raise DataError(problem, cure="Name its column (--state), or make another latent.")
    if name in ("biolord", "scdisinfact") and not screen.perturbations:
        problem = f"{name!r} is told the perturbation, and no condition was named."
        raise DataError(problem, cure="Name its column (--condition), or make another latent.")


def _half(screen: Screen) -> NDArray[np.bool_]:
    """Half of the cells, to fit an encoder on; its latent is read on the others."""
    return np.asarray(np.random.default_rng(0).permutation(screen.n_cells) < screen.n_cells // 2)


def _of_half(latent: Latent, name: str) -> Latent:
    """Without a split the models say of themselves that they saw all; here they saw the half they were given."""
    return replace(latent, name=name, labels={}, steps=tuple(replace(step, rows="train") for step in latent.steps))


def _labelled(screen: Screen, groupings: Groupings) -> Screen:
    """Put context, condition and state in their places; conditions go by number, since any text may be one."""
    condition: Labels | None = groupings.by_role["condition"]
    roles = {"context": groupings.by_role["context"], "state": groupings.by_role["state"]}
    if condition is None:
        return replace(screen, **roles)
    kept = np.unique(condition.codes[(condition.codes >= 0) & ~groupings.control])
    table = np.full(len(condition.categories) + 1, UNASSIGNED_CODE, dtype=np.int32)
    table[kept] = np.arange(len(kept))
    # The last entry is that of cells without a label, whose code is -1.
    codes = np.where(groupings.control, CONTROL_CODE, table[condition.codes])
    names = tuple(PerturbationName.of([f"condition{k:06d}"]) for k in kept)
    return replace(screen, perturbations=names, perturbation_codes=codes, **roles)
