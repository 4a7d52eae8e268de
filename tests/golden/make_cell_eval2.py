"""Makes cell_eval2.json: scores that cell-eval2 gives small synthetic cells, with the mean profiles of the same cells.

Run in an environment of its own: pip install cell-eval2==0.20.0, then python make_cell_eval2.py FOLDER
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CONTROL = "non-targeting"
COMMAND = (
    "cell-eval2 run -ap pred.h5ad -ar real.h5ad --pert-col target --control non-targeting "
    "--input-type lognorm --profile anndata -o out"
)
METRICS = ("expr_mae", "expr_mse", "delta_pearson", "pds_l1", "pds_l2", "pds_cosine")


def main(folder: Path) -> None:
    import anndata
    import numpy as np
    import pandas as pd
    from scipy import sparse

    rng = np.random.default_rng(20260101)
    genes = [f"GENE{i:02d}" for i in range(24)]
    targets = [genes[i] for i in (1, 4, 7, 11, 16, 20)]
    base, effect = rng.uniform(0.4, 2.5, 24), rng.normal(0, 0.6, (6, 24))

    def write(name: str, *, scale: float, noise: float, n_cells: int) -> anndata.AnnData:
        blocks = [base + scale * effect[i] + noise * rng.normal(size=(n_cells, 24)) for i in range(6)]
        blocks.append(base + noise * rng.normal(size=(40, 24)))
        labels = np.repeat([*targets, CONTROL], [n_cells] * 6 + [40])
        obs = pd.DataFrame({"target": labels}, index=[f"c{i}" for i in range(len(labels))])
        values = sparse.csr_matrix(np.maximum(0, np.concatenate(blocks)).astype(np.float32))
        cells = anndata.AnnData(values, obs=obs, var=pd.DataFrame(index=genes))
        cells.write_h5ad(folder / f"{name}.h5ad")
        return cells

    def profile(cells: anndata.AnnData, label: str) -> np.ndarray:
        return cells[cells.obs["target"] == label].X.toarray().astype(np.float64).mean(axis=0)

    real = write("real", scale=1.0, noise=0.5, n_cells=20)
    pred = write("pred", scale=0.5, noise=1.4, n_cells=8)
    subprocess.run(COMMAND.split(), cwd=folder, check=True)
    control = profile(real, CONTROL)
    scores = pd.read_csv(folder / "out" / "results.csv").pivot_table(
        index="perturbation", columns="metric", values="value"
    )
    golden = {
        "tool": "cell-eval2",
        "version": "0.20.0",
        "command": COMMAND,
        "made_by": "make_cell_eval2.py",
        "genes": genes,
        "perturbations": targets,
        "real": [(profile(real, t) - control).tolist() for t in targets],
        "pred": [(profile(pred, t) - control).tolist() for t in targets],
        "scores": {metric: scores.loc[targets, metric].tolist() for metric in METRICS},
    }
    Path(__file__).with_name("cell_eval2.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
