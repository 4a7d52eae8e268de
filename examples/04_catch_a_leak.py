"""Catch a leak: a latent in which the chip can be read, its audit, its repair, and the audit of the repaired one.

Shows why to audit before transport: in the PCA of these simulated counts the chip is as plain as any biology, and nobody sees it in a
table of explained variance. Known limit: simulated chips add the same to every cell, so that centring alone repairs them; real ones
seldom do.
"""

# %% Counts from two chips, whose effect on expression is as large as that of the cell states
import tempfile
from pathlib import Path

import perturbridge as pb

path = Path(tempfile.mkdtemp()) / "screen.h5ad"
simulated = pb.simulate.screen(
    n_perturbations=4, n_genes=80, cells_per_perturbation=100, n_controls=200, n_contexts=2, n_samples=1, seed=3
)
pb.write_screen(simulated, path)

# %% The audit of a PCA made of the counts; rep="X_scVI" would audit a latent of yours
settings = pb.AuditSettings(n_permutations=199, n_folds=3)
audited = pb.audit_data(path, context="context", condition="perturbation", state="state", settings=settings)
report = audited.reports["PCA-16"]
print(report.verdict, "|", report.decisive.name, report.decisive.figure)
print(report.cure)

# %% The gate: transport asks for this, and is refused
try:
    report.require()
    opened = True
except pb.PerturbridgeError as error:
    opened = False
    print("refused:", error)

# %% The repair ladder, mildest step first, each audited on cells it was not fitted on
repair = pb.repair_audited(audited)["PCA-16"]
for rung in repair.rungs:
    leak, kept = rung.report["readout_within"], rung.report["kept"]
    print(
        f"{rung.step:10} {rung.report.verdict:6} context {leak.effect_name} {leak.effect:.3f}, {kept.effect_name} {kept.effect:.3f}"
    )

# %% What this example claims
assert report.verdict == "fail"
assert not opened
assert repair.chosen is not None
assert repair.chosen.report.require().verdict == "pass"
