"""Write the split files of tests/screens/golden/gears_0_1_2 with GEARS itself: cell-gears 0.1.2, `prepare_split`, no network.

python tests/screens/golden/make_gears.py FOLDER      (in an environment with cell-gears 0.1.2; it is no dependency of the tests)
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

GENES = [f"G{i}" for i in range(12)]
PAIRS = [
    ("G0", "G1"),
    ("G2", "G3"),
    ("G4", "G5"),
    ("G0", "G6"),
    ("G7", "G1"),
    ("G8", "G9"),
    ("G10", "G11"),
    ("G3", "G8"),
]


def main(folder: Path) -> None:
    from gears import PertData

    folder.mkdir(parents=True, exist_ok=True)
    conditions = ["ctrl", *(f"{gene}+ctrl" for gene in GENES), *(f"{a}+{b}" for a, b in PAIRS)]
    labels = np.repeat(conditions, 3)
    obs = pd.DataFrame({"condition": pd.Categorical(labels)}, index=[f"c{i}" for i in range(len(labels))])
    # The constructor downloads gene sets; a split needs neither them nor the values.
    data = PertData.__new__(PertData)
    data.dataset_path, data.dataset_name = str(folder), "toy"
    data.adata = AnnData(np.zeros((len(labels), 1), dtype="f4"), obs=obs)
    data.prepare_split(split="simulation", seed=1)
    data.prepare_split(split="single", seed=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
