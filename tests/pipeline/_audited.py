"""A small file with two latents whose truth is known: one carries the batch, one does not."""

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

N = 480


def planted(*, n=N, shift=2.0, n_batches=2, seed=0):
    """Cells of three conditions and two states over batches; `X_leak` moves with the batch, `X_clean` does not, both with biology."""
    rng = np.random.default_rng(seed)
    batch, condition, state = rng.integers(0, n_batches, n), rng.integers(0, 3, n), rng.integers(0, 2, n)
    clean = rng.normal(size=(n, 5))
    clean[:, 0] += 3 * state
    clean[:, 1] += 3 * (condition == 1)
    clean[:, 2] += 3 * (condition == 2)
    leak = clean.copy()
    leak[:, 4] += shift * batch
    rates = np.exp(rng.normal(0.5, 0.5, size=20)) * np.exp(0.5 * clean[:, [0, 1, 2, 3] * 5] - 0.5)
    obs = pd.DataFrame(
        {
            "batch": [f"b{i}" for i in batch],
            "perturbation": np.array(["control", "TP53", "MYC"])[condition],
            "cell_type": np.array(["T", "B"])[state],
            "donor": [f"d{i % 4}" for i in range(n)],
        },
        index=[f"cell{i}" for i in range(n)],
    )
    made = ad.AnnData(X=sparse.csr_matrix(rng.poisson(rates).astype(np.float32)), obs=obs)
    made.obsm["X_leak"], made.obsm["X_clean"] = leak.astype(np.float32), clean.astype(np.float32)
    return made
