"""How often the audit is right, by simulation: verdicts of the readout that gates, over seeds.

No leak: it must fail at most 5 % of the time. A leak that the best probe could read with AUC tolerance + .05 or more: it must pass at
most 5 % of the time. Where cells or samples are too few the answer must be `underpowered`, not `pass`. The tolerance is .60.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
from scipy.stats import norm
from tests.audit._leaky import planted
from tests.audit._planted import subject_of

from perturbridge.audit import AuditSettings
from perturbridge.audit._design import read_design
from perturbridge.audit._held_out import check_held_out
from perturbridge.audit._random import check_random
from perturbridge.audit._within import check_within

# Two contexts of unit spread this far apart are read with AUC .65 by the best probe there is.
AT_65 = float(np.sqrt(2) * norm.ppf(0.65))

CLEAN = {
    "300 cells": {"n_cells": 300},
    "1,000 cells": {"n_cells": 1_000},
    "4,000 cells": {"n_cells": 4_000},
    "30,000 cells": {"n_cells": 30_000},
    "1,000 cells, 12 contexts": {"n_cells": 1_000, "n_contexts": 12},
    "4,000 cells, 8 contexts": {"n_cells": 4_000, "n_contexts": 8},
    "4,000 cells, 1:20": {"n_cells": 4_000, "imbalance": 20.0},
    "4,000 cells, V .8 with condition": {"n_cells": 4_000, "association": 0.8, "condition_shift": 2.0},
    "4,000 cells, t2 tails": {"n_cells": 4_000, "heavy": True},
}
LEAKY = {
    f"{name}, leak": {**CLEAN[name], "shift": AT_65}
    for name in (
        "300 cells",
        "1,000 cells",
        "4,000 cells",
        "30,000 cells",
        "4,000 cells, 1:20",
        "4,000 cells, V .8 with condition",
    )
}
HELD_OUT = {
    "2 samples per context": {"n_cells": 1_000, "samples_per_context": 2, "sample_sd": 0.3},
    "4 samples per context": {"n_cells": 1_000, "samples_per_context": 4, "sample_sd": 0.3},
    "8 samples per context": {"n_cells": 1_000, "samples_per_context": 8, "sample_sd": 0.3},
    "16 samples per context": {"n_cells": 1_600, "samples_per_context": 16, "sample_sd": 0.3},
    "8 samples per context, leak": {"n_cells": 1_000, "samples_per_context": 8, "sample_sd": 0.1, "shift": AT_65},
    "16 samples per context, leak": {"n_cells": 1_600, "samples_per_context": 16, "sample_sd": 0.1, "shift": AT_65},
}


def verdicts(scenario: dict, n_seeds: int, *, held_out: bool = False) -> dict:
    """Shares of each verdict, and the mean effect and bounds."""
    counts: Counter[str] = Counter()
    figures = []
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        cells = planted(rng, **({"condition_shift": 0.0} if held_out else {}) | scenario)
        settings = AuditSettings(n_permutations=19, seed=seed)
        if held_out:
            subject = subject_of(cells.z, context=cells.context, sample=cells.sample)
            check = check_held_out(subject, read_design(subject, settings), settings, rng=rng)
        else:
            subject = subject_of(cells.z, context=cells.context, condition=cells.condition)
            reading = check_within if subject.condition is not None else check_random
            check = reading(subject, read_design(subject, settings), settings, rng=rng)
        counts[check.verdict] += 1
        figures.append((check.effect, check.low, check.high))
    effect, low, high = np.mean(figures, axis=0)
    shares = {name: counts[name] / n_seeds for name in ("pass", "warn", "underpowered", "fail")}
    return {"auc": float(effect), "low": float(low), "high": float(high), **shares, "n": n_seeds}


def run(*, quick: bool) -> list[dict]:
    rows = []
    for name, scenario in (CLEAN | LEAKY).items():
        n_seeds = 3 if quick else 6 if scenario["n_cells"] > 5_000 else 30
        rows.append({"scenario": name} | verdicts(scenario, n_seeds))
        print(rows[-1], file=sys.stderr, flush=True)
    for name, scenario in HELD_OUT.items():
        rows.append({"scenario": f"held out: {name}"} | verdicts(scenario, 3 if quick else 30, held_out=True))
        print(rows[-1], file=sys.stderr, flush=True)
    return rows
