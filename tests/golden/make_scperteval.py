"""Makes scperteval.json: scores that scPertEval gives small synthetic cells, with the moments of the same cells.

Run in an environment of its own: pip install scperteval==0.2.0, then python make_scperteval.py FOLDER
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CONTROL = "control"
PROTOCOLS = ("nir", "rank", "wmse_exp2", "pearson_ctrl", "r2_ctrl", "pearson_pert", "r2_pert")
COMMAND = (
    "scperteval score real.h5ad pred.h5ad -p nir,rank,wmse_exp2,pearson_ctrl,r2_ctrl,pearson_pert,r2_pert --perturbation-key perturbation "
    "--control-label control --min-cells 2 --out-dir out --quiet"
)


def main(folder: Path) -> None:
    import anndata
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(20260202)
    genes, targets = [f"GENE{i:02d}" for i in range(20)], [f"P{i}" for i in range(6)]
    base, effect = rng.uniform(0.8, 2.5, 20), rng.normal(0, 0.5, (6, 20))

    def write(name: str, *, scale: float, noise: float, n_cells: int) -> dict[str, np.ndarray]:
        blocks = {t: base + scale * effect[i] + noise * rng.normal(size=(n_cells, 20)) for i, t in enumerate(targets)}
        blocks[CONTROL] = base + noise * rng.normal(size=(30, 20))
        blocks = {label: np.maximum(0, block).astype(np.float32) for label, block in blocks.items()}
        labels = [label for label, block in blocks.items() for _ in block]
        obs = pd.DataFrame({"perturbation": labels}, index=[f"c{i}" for i in range(len(labels))])
        cells = anndata.AnnData(np.concatenate(list(blocks.values())), obs=obs, var=pd.DataFrame(index=genes))
        cells.write_h5ad(folder / f"{name}.h5ad")
        return {label: block.astype(np.float64) for label, block in blocks.items()}

    real = write("real", scale=1.0, noise=0.4, n_cells=16)
    pred = write("pred", scale=0.4, noise=0.8, n_cells=10)
    subprocess.run(COMMAND.split(), cwd=folder, check=True)
    scores = pd.concat([pd.read_csv(path) for path in (folder / "out").glob("*.csv")])
    value = next(name for name in ("score", "value", "metric_value", "raw") if name in scores.columns)
    golden = {
        "tool": "scPertEval",
        "version": "0.2.0",
        "command": COMMAND,
        "made_by": "make_scperteval.py",
        "genes": genes,
        "perturbations": targets,
        "n_cells": 16,
        "control_mean": real[CONTROL].mean(axis=0).tolist(),
        "real_mean": [real[t].mean(axis=0).tolist() for t in targets],
        "real_variance": [real[t].var(axis=0, ddof=1).tolist() for t in targets],
        "pred_mean": [pred[t].mean(axis=0).tolist() for t in targets],
        "scores": {
            protocol: scores[scores["protocol"] == protocol].set_index("perturbation")[value].loc[targets].tolist()
            for protocol in PROTOCOLS
        },
    }
    Path(__file__).with_name("scperteval.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
