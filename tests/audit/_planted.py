"""Latents with planted truth, and the subjects of their audit."""

import numpy as np

from perturbridge.audit._subject import label_subject
from perturbridge.values import Latent, as_labels


def subject_of(z, **groupings):
    """A subject from coordinates and arrays of labels."""
    latent = Latent(z=np.asarray(z, dtype=np.float32))
    labels = {role: as_labels(role, values, latent) for role, values in groupings.items()}
    return label_subject(latent, groupings=labels).loaded()


def screen_like(*, n=1200, d=8, shift=0.0, effect=1.0, n_contexts=2, skew=0.0, n_perturbations=3, seed=0, heavy=False):
    """Controls and perturbed cells; contexts move dimension 0 by `shift` each, perturbations dimension 1.. by `effect`.

    A share `1 / n_contexts + skew` of the perturbed cells lies in the last context, controls are spread evenly.
    """
    rng = np.random.default_rng(seed)
    condition = rng.integers(0, n_perturbations + 1, n)
    control = condition == 0
    context = rng.integers(0, n_contexts, n)
    last = rng.random(n) < 1 / n_contexts + skew
    moved = np.where(last, n_contexts - 1, rng.integers(0, max(n_contexts - 1, 1), n))
    context = np.where(control, context, moved)
    noise = rng.standard_t(3, size=(n, d)) / np.sqrt(3) if heavy else rng.normal(size=(n, d))
    z = noise
    z[:, 0] += shift * context
    for p in range(1, n_perturbations + 1):
        z[condition == p, 1 + (p - 1) % (d - 1)] += effect
    names = np.array(["control", *(f"p{i}" for i in range(1, n_perturbations + 1))])[condition]
    return z, np.array([f"c{i}" for i in context]), names
