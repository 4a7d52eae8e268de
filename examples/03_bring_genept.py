"""Bring GenePT, ESM2 or any other embedding file: read it safely, convert it once, check its coverage, use two sources at once.

Pass the path of an embedding as the first argument; without one, a small file in GenePT's own form (a pickled dict of lists) is made.
Known limit: the made-up vectors carry no biology, so the second source should get little or no weight here.
"""

# %% A file in GenePT's form: a dict from gene symbol to a list of floats, pickled; two names may share one list
import pickle
import sys
import tempfile
from pathlib import Path

import numpy as np

import perturbridge as pb

workspace = Path(tempfile.mkdtemp())
go_words = pb.open_embedding("go_words")
if len(sys.argv) > 1:
    path = Path(sys.argv[1])
else:
    path = workspace / "GenePT_like.pickle"
    rng = np.random.default_rng(0)
    path.write_bytes(pickle.dumps({gene: rng.normal(size=64).tolist() for gene in go_words.genes[:3000]}))

# %% Read it: no code in a pickle is ever run; then convert it once to a table that loads in a blink
embedding = pb.read_embedding(path)
print(embedding.name, len(embedding.genes), "genes x", embedding.n_dims)
print(pb.convert_embedding(path, workspace / "genept.safetensors"))

# %% Which perturbed genes have a vector, and under which name
simulated = pb.simulate.screen(go_words, n_perturbations=50, n_genes=120, cells_per_perturbation=40, seed=3)
effects = pb.pseudobulk(simulated.screen)
genes = sorted({gene for name in effects.perturbations for gene in name.genes})
print(pb.coverage(embedding, genes)["how"].value_counts().to_dict())

# %% Two sources: leave-one-out on the training perturbations decides how much each counts
model = pb.EffectModel([go_words, embedding]).fit(effects)
print(model.report_)

# %% What this example claims
again = pb.read_embedding(workspace / "genept.safetensors")
gene = embedding.genes[0]
np.testing.assert_array_equal(
    again.vectors[again.locate([gene]).rows[0]], embedding.vectors[embedding.locate([gene]).rows[0]]
)
