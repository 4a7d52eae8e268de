"""Cells with a planted response: states, batches, effects that are linear in six hidden factors, seen through a noisy embedding.

Δ_p(x) = f_p · (M + N_state) + Σ_j f_pj (x − state mean) L_j: a mean shift, a part that differs by state, and a part that differs within.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from perturbridge.values import (
    AffineMap,
    Alignment,
    Displacement,
    DisplacementReport,
    EmbeddingCard,
    GeneEmbedding,
    Labels,
    Latent,
    PerturbationName,
)

N_STATES, N_BATCHES, N_FACTORS = 4, 8, 6


def labels(column, names, codes):
    return Labels(column, tuple(names), np.asarray(codes, dtype=np.int32))


@dataclass(frozen=True, eq=False)
class World:
    embedding: GeneEmbedding
    train: tuple[PerturbationName, ...]
    unseen: tuple[PerturbationName, ...]
    latent: Latent
    factors: dict[str, np.ndarray]
    means: np.ndarray
    shared: np.ndarray
    by_state: np.ndarray
    slopes: np.ndarray
    synergy: float
    bend: float

    def felt(self, gene):
        """f + bend · products of neighbouring factors: what cells respond to, which is linear in the embedding without a bend."""
        f = self.factors[gene]
        return f + self.bend * f * np.roll(f, 1)

    def truth(self, perturbation, z, *, batch_shift, state):
        """Δ of cells at z."""
        name = PerturbationName.parse(str(perturbation))
        x = z - batch_shift - self.means[state]
        out = np.zeros_like(x)
        for gene in name.genes:
            f = self.felt(gene)
            out += f @ self.shared + np.einsum("j,njd->nd", f, self.by_state[state])
            out += x @ np.einsum("j,jde->de", f, self.slopes)
        if len(name.genes) > 1 and self.synergy:
            a, b = (self.factors[g] for g in name.genes[:2])
            out += self.synergy * (a * b) @ self.shared
        return out


def make_world(
    *,
    n_train=60,
    n_unseen=15,
    n_pairs=0,
    n_dims=16,
    n_controls=800,
    n_cells=60,
    noise=0.5,
    null=0.3,
    shift=2.0,
    by_state=0.5,
    within=0.5,
    synergy=0.0,
    bend=0.0,
    skewed=False,
    seed=0,
):
    rng = np.random.default_rng(seed)
    genes = [f"G{i:03d}" for i in range(n_train + n_unseen)]
    factors = {g: rng.normal(size=N_FACTORS) * (rng.random() >= null) for g in genes}
    to_vector = rng.normal(size=(N_FACTORS, 64)) / np.sqrt(N_FACTORS)
    vectors = np.stack([factors[g] @ to_vector for g in genes]) + noise * rng.normal(size=(len(genes), 64))
    embedding = GeneEmbedding(
        vectors=vectors.astype(np.float32) + 1.0,
        genes=tuple(genes),
        rows=np.arange(len(genes)),
        card=EmbeddingCard(name="planted"),
    )
    means = rng.normal(size=(N_STATES, n_dims)) * 6 / np.sqrt(n_dims)
    batches = rng.normal(size=(N_BATCHES, n_dims)) * 3 / np.sqrt(n_dims)
    spread = np.linspace(1.5, 0.5, n_dims)
    unit = shift / np.sqrt(N_FACTORS * n_dims)
    shared = unit * rng.normal(size=(N_FACTORS, n_dims))
    states = by_state * unit * rng.normal(size=(N_STATES, N_FACTORS, n_dims))
    slopes = (
        within
        * unit
        * rng.normal(size=(N_FACTORS, n_dims, n_dims))
        / np.sqrt((spread**2).sum() / n_dims)
        / np.sqrt(n_dims)
    )
    singles = [PerturbationName((g,)) for g in genes[:n_train]]
    pairs = [PerturbationName.of(rng.choice(genes[:n_train], 2, replace=False)) for _ in range(n_pairs)]
    train = tuple(sorted({*singles, *pairs}, key=str))
    world = World(
        embedding=embedding,
        train=train,
        unseen=tuple(PerturbationName((g,)) for g in genes[n_train:]),
        latent=None,
        factors=factors,
        means=means,
        shared=shared,
        by_state=states,
        slopes=slopes,
        synergy=synergy,
        bend=bend,
    )
    blocks = []
    for p, name in enumerate([None, *train, *world.unseen]):
        n = n_controls if name is None else n_cells
        share = np.full(N_STATES, 1 / N_STATES)
        if skewed and name is not None:
            share = rng.dirichlet(np.full(N_STATES, 3.0))
        state, batch = rng.choice(N_STATES, n, p=share), rng.integers(N_BATCHES, size=n)
        z = means[state] + batches[batch] + rng.normal(size=(n, n_dims)) * spread
        if name is not None:
            z = z + world.truth(name, z, batch_shift=batches[batch], state=state)
        blocks.append((z, np.full(n, p), state, batch))
    z, code, state, batch = (np.concatenate(part) for part in zip(*blocks, strict=True))
    conditions = ["control", *(str(name) for name in (*train, *world.unseen))]
    order = np.argsort(conditions)
    latent = Latent(
        z=z.astype(np.float32),
        labels={
            "condition": labels("gene", [conditions[i] for i in order], np.argsort(order)[code]),
            "context": labels("batch", [f"b{i}" for i in range(N_BATCHES)], batch),
            "state": labels("cell_type", [f"s{i}" for i in range(N_STATES)], state),
        },
        split_hash="a" * 64,
    )
    return replace(world, latent=latent), batches


def codes_of(latent, role):
    return latent.labels[role].codes


def rows_of(latent, name):
    return np.flatnonzero(codes_of(latent, "condition") == latent.labels["condition"].categories.index(str(name)))


def aligned_exactly(world, batches):
    """An alignment that knows the truth: affine within each state."""
    latent = world.latent
    controls = rows_of(latent, "control")
    context = codes_of(latent, "context")[controls]
    centres = np.stack([latent.z[controls[context == b]].mean(axis=0) for b in range(N_BATCHES)]).astype(float)
    rows, reports = [], []
    for name in world.train:
        row = []
        for s in range(N_STATES):
            at = world.means[s] + batches[0]
            middle = at - centres[0]
            shift = world.truth(name, at[None], batch_shift=batches[0], state=np.array([s]))[0]
            slope = sum(np.einsum("j,jde->de", world.felt(g), world.slopes) for g in name.genes)
            turned = AffineMap(np.eye(len(at)) + slope, middle, middle)
            row.append(Displacement(shift=shift, map=turned, mean=np.zeros(len(at)), keep=np.eye(len(at))))
        rows.append(tuple(row))
        mine = rows_of(latent, name)
        noise = float(latent.z[mine].var(axis=0).sum() / len(mine))
        reports.append(DisplacementReport(perturbation=str(name), n_cells=len(mine), noise=noise, gain=1.0))
    return Alignment(
        perturbations=world.train,
        contexts=tuple(f"b{i}" for i in range(N_BATCHES)),
        centres=centres,
        strata=tuple(("", f"s{s}") for s in range(N_STATES)),
        strata_by="state",
        cluster_centres=None,
        self_maps=(None,) * N_STATES,
        displacements=tuple(rows),
        plans=(),
        reports=tuple(reports),
        control_weights=np.bincount(codes_of(latent, "state")[controls], minlength=N_STATES) / len(controls),
        context_mass=np.zeros((N_BATCHES, N_BATCHES)),
        fingerprint=latent.fingerprint,
        split_hash=latent.split_hash,
    )


def relative_error(world, batches, names, predict):
    """√(Σ ‖Δ̂ − Δ‖² / Σ ‖Δ‖²) over control cells and perturbations, against the planted truth."""
    controls = rows_of(world.latent, "control")
    z = world.latent.z[controls].astype(np.float64)
    batch, state = codes_of(world.latent, "context")[controls], codes_of(world.latent, "state")[controls]
    contexts, states = [f"b{i}" for i in batch], [f"s{i}" for i in state]
    off = size = 0.0
    for name in names:
        true = world.truth(name, z, batch_shift=batches[batch], state=state)
        off += ((predict(name, z, contexts, states) - true) ** 2).sum()
        size += (true**2).sum()
    return float(np.sqrt(off / size))
