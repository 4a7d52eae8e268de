"""Golden values of context mixing: iLISI and kBET of scib-metrics 0.5.10 on a planted latent.

pip install scib-metrics==0.5.10 && python tests/golden/make_scib_metrics.py
"""

import json
from pathlib import Path

import numpy as np
from sklearn.neighbors import NearestNeighbors

N_CELLS, N_NEIGHBORS = 240, 30


def planted():
    """Three contexts of unequal size, one of them moved."""
    rng = np.random.default_rng(7)
    context = np.repeat([0, 1, 2], [120, 80, 40])
    z = rng.normal(size=(N_CELLS, 5))
    z[context == 2, 0] += 1.0
    return z.astype(np.float32), context


def main():
    from scib_metrics import ilisi_knn, kbet, lisi_knn
    from scib_metrics.nearest_neighbors import NeighborsResults

    z, context = planted()
    distances, indices = NearestNeighbors(n_neighbors=N_NEIGHBORS).fit(z.astype(np.float64)).kneighbors()
    graph = NeighborsResults(indices=indices, distances=distances)
    acceptance, statistics, _ = kbet(graph, context)
    values = {
        "ilisi": float(ilisi_knn(graph, context)),
        "lisi_mean": float(np.mean(lisi_knn(graph, context))),
        "kbet_acceptance": float(acceptance),
        "kbet_statistic_mean": float(np.mean(statistics)),
    }
    (Path(__file__).parent / "scib_metrics.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
