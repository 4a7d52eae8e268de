"""Audit, then align: a latent with a leak is refused, its repair passes, and transport says where each perturbation moves cells.

Shows the gate at work and the debiased displacement beside the raw one, on a simulated latent whose truth is known. Known limit: the
states here are well apart; where they overlap, a displacement and a change of state cannot be told apart by any method.
"""

# %% Control cells of four states on two chips, and a perturbation that moves two of the states more than the others
import numpy as np

import perturbridge as pb

rng = np.random.default_rng(0)
n, m, n_dims = 1200, 400, 12
state = rng.integers(4, size=n + m)
chip = rng.integers(2, size=n + m)
perturbed = np.arange(n + m) >= n
centres = rng.normal(size=(4, n_dims)) * 1.6
response = np.where(state[:, None] < 2, 1.6, 0.6) * rng.choice([-1.0, 1.0], size=n_dims) / np.sqrt(n_dims) * 1.5
chip_shift = rng.normal(size=(2, n_dims)) * 0.45
truth = response[:n]
z = centres[state] + rng.normal(size=(n + m, n_dims)) * 0.7 + chip_shift[chip] + response * perturbed[:, None]
labels = {
    "condition": np.where(perturbed, "TP53", "control"),
    "context": np.char.add("chip", chip.astype(str)),
    "state": np.char.add("s", state.astype(str)),
}
latent = pb.Latent(z=z, name="X_demo")

# %% The audit finds the chip, and the gate stays shut
settings = pb.AuditSettings(n_permutations=199, n_folds=3)
report = pb.audit_latent(latent, **labels, settings=settings)
print(report.verdict, "|", report.decisive.name, report.decisive.figure)
try:
    pb.align_latent(latent, audit=report, **labels)
    refused = False
except pb.PerturbridgeError as error:
    refused = True
    print("refused:", error)

# %% The mildest repair that passes, and the audit that opens the gate for it
repair = pb.repair_latent(latent, **labels, settings=settings)
chosen = repair.chosen
print("repair:", chosen.step, chosen.report.verdict)

# %% Where TP53 moves each control cell, beside the raw barycentric map
moved = pb.align_latent(chosen.latent, audit=chosen.report, **labels)
raw = pb.align_latent(chosen.latent, audit=chosen.report, **labels, settings=pb.AlignmentSettings(solver="raw"))


def relative_error(alignment: pb.Alignment) -> float:
    shift = alignment.displacement(
        chosen.latent.z[:n], "TP53", context=list(labels["context"][:n]), state=list(labels["state"][:n])
    )
    return float(np.sqrt(((shift - truth) ** 2).sum() / (truth**2).sum()))


error, raw_error = relative_error(moved), relative_error(raw)
about = moved.report("TP53")
print(f"p = {about.p:.3f}, moved by {about.size:.2f}, verdict {about.verdict}")
print(f"error per cell (no displacement: 1): {error:.2f}, raw map {raw_error:.2f}")

# %% A new control cell, which no plan has seen, is moved as well
print(moved.displacement(centres[:1] + chip_shift[:1], "TP53", context="chip0", state="s0").round(2))

# %% What this example claims
assert report.verdict == "fail"
assert refused
assert error < 0.35
assert raw_error > error
