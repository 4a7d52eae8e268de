"""Cells for a gene nobody perturbed: latent, audit, transport and response in one run, then predicted cells as AnnData.

Shows the whole path of `perturbridge run` from Python, and what the cell level is worth on held-out perturbations. Known limit: simulated
effects follow the embedding; on real screens look at the ladder first, it says whether the embedding knows anything.
"""

# %% A screen whose effects follow a gene embedding
import tempfile
from pathlib import Path

import numpy as np

import perturbridge as pb

workspace = Path(tempfile.mkdtemp())
go_words = pb.open_embedding("go_words")
simulated = pb.simulate.screen(
    go_words, n_perturbations=40, n_genes=80, cells_per_perturbation=40, n_controls=400, n_contexts=2, seed=2
)
pb.write_screen(simulated, workspace / "screen.h5ad")

# %% Profiles, and behind the gate cells
done = pb.run(pb.RunConfig(screen=workspace / "screen.h5ad", folds=3), workspace / "run")
print(done.cells.status, "|", done.cells.latent.report.verdict)
print(done.cells.response.ladder_)
print(f"weight of the profiles from cells: {done.levels.weight:.2f} ± {done.levels.weight_se:.2f}")

# %% Control cells, moved as a gene would move them that nobody perturbed here
measured = {gene for name in done.effects.perturbations for gene in name.genes}
unseen = next(gene for gene in go_words.genes if gene not in measured)
cells = pb.predict_cells(workspace / "run", [unseen], n_cells=100)
adata = pb.cells_to_anndata(cells)
print(adata)
print(unseen, cells.status[0], f"off by at most {cells.radius[0]:.2f} with probability {cells.level}")

# %% What this example claims
ladder = done.cells.response.ladder_
assert done.cells.status == "done"
assert ladder.rung("ridge, cells").error < ladder.rung("mean shift").error
assert adata.shape == (100, 80)
assert np.array_equal(adata.X.toarray(), adata.X.toarray().round())
