"""Your own screen: from cells in an h5ad to a scored prediction, with every decision in sight.

Pass the path of your file as the first argument; without one, a simulated screen is written and used. Shows how columns are found,
what was noticed, and how to read the table. Known limit: a screen without a context column is compared with all controls at once.
"""

# %% A file: yours, or a simulated one
import sys
import tempfile
from pathlib import Path

import perturbridge as pb

workspace = Path(tempfile.mkdtemp())
if len(sys.argv) > 1:
    path = Path(sys.argv[1])
else:
    path = workspace / "screen.h5ad"
    simulated = pb.simulate.screen(
        pb.open_embedding("go_words"), n_perturbations=40, n_genes=120, cells_per_perturbation=30, seed=2
    )
    pb.write_screen(simulated, path)

# %% Open it: labels are read, values stay on disk; each choice is explained, and each can be named instead
screen = pb.read_screen(path)
print("\n".join(screen.explanation))
print("next:", pb.describe_screen(screen)["next"])

# %% One pass over the cells: each perturbation against the controls of its own contexts
effects = pb.pseudobulk(screen, on_few="drop")
for finding in (*screen.findings, *effects.findings):
    print(f"{finding.level}: {finding.message}")

# %% The whole path into a folder: table, report, model
done = pb.run(pb.RunConfig(screen=path, folds=3, on_few="drop", cell_level=False), workspace / "run")
print(done.cross_validation.headline().pivot(index="model", columns="metric", values="mean").round(3).to_string())
print("report:", done.folder / "report.html")

# %% Ask the saved model
prediction = pb.predict(done.folder, ["TP53", "KRAS+MYC"])
print(dict(zip([str(p) for p in prediction.perturbations], prediction.status, strict=True)))

# %% What this example claims
assert (done.folder / "report.html").exists()
assert done.manifest["split"]["hash"] == pb.read_split(done.folder / "split.json").hash
