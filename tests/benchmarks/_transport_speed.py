"""Cost of aligning many perturbations with the same controls, 32 dimensions, 4 states, 8 batches: nulls, split halves and every diagnostic
included. CPU seconds of the work alone (imports and simulation are not counted), in a fresh process. POT solves the same problems on centred
coordinates in one stratum, one after the other, and computes a barycentre for each and nothing else; what it takes for the first few is
scaled to all where it says so. `work ratio`: ours over it; peak in MB.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter

import numpy as np
from tests.transport._worlds import make_world

from ._contender import measure, peak_mb

# perturbations, cells of each, controls
SIZES = {
    "200 x 50 v 2,000": (200, 50, 2_000),
    "200 x 300 v 2,000": (200, 300, 2_000),
    "2,000 x 150 v 10,000": (2_000, 150, 10_000),
}
QUICK = {"20 x 50 v 500": (20, 50, 500)}
_FEW = {"emd": 40, "sinkhorn": 200, "solve": 6}


def ours(size: tuple[int, int, int], *, strata: str) -> dict:
    from perturbridge.transport import AlignmentSettings, align_latent

    p, m, n = size
    world = make_world(0, "group", n=n, m=m, n_perturbations=p)
    # Libraries are loaded before the clock starts.
    align_latent(world.latent, audit="override: x", condition=world.condition, perturbations=["g000"])
    before, started = peak_mb(), time.process_time()
    alignment = align_latent(
        world.latent, audit="override: planted", condition=world.condition, context=world.batch,
        settings=AlignmentSettings(strata=strata),
    )  # fmt: skip
    took = time.process_time() - started
    chosen = Counter(f"{plan.level} {plan.precision}".strip() for plan in alignment.plans)
    print(f"{strata} {size}: {dict(chosen)}, {len(alignment.strata)} strata", file=sys.stderr)
    return {"work_s": took, "peak_mb": peak_mb(), "added_mb": peak_mb() - before}


def pot(size: tuple[int, int, int], *, solver: str) -> dict:
    import ot

    p, m, n = size
    world = make_world(0, "group", n=n, m=m, n_perturbations=p)
    z = world.latent.z.astype(np.float64)
    x, few = z[:n], min(p, _FEW[solver])
    a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    strength = 0.2 * 2.0 * x.var(axis=0).sum()
    before, started = peak_mb(), time.process_time()
    for i in range(few):
        y = z[n + i * m : n + (i + 1) * m]
        cost = ot.dist(x, y)
        if solver == "emd":
            plan = ot.emd(a, b, cost, numItermax=10_000_000)
        elif solver == "sinkhorn":
            plan = ot.sinkhorn(a, b, cost, strength, stopThr=1e-6)
        else:
            plan = ot.solve(cost, reg=strength, a=a, b=b).plan
        _ = n * plan @ y - x
    took = (time.process_time() - started) * p / few
    return {"work_s": took, "peak_mb": peak_mb(), "added_mb": peak_mb() - before}


def run(*, quick: bool = False) -> list[dict]:
    rows = []
    for label, size in (QUICK if quick else SIZES).items():
        given = json.dumps(size)
        repeats = 1 if quick or size[0] > 200 else 2
        contenders = {
            "**perturbridge**, default (clusters)": ("ours", "auto"),
            "perturbridge, one stratum": ("ours", "none"),
            "loop of `ot.emd`": ("pot", "emd"),
            "loop of `ot.sinkhorn`, float64": ("pot", "sinkhorn"),
            "loop of `ot.solve(reg=…)`": ("pot", "solve"),
        }
        own = None
        for name, (which, how) in contenders.items():
            if size[0] > 200 and which == "pot" and how != "emd":
                continue
            figures = measure(
                "tests.benchmarks._transport_speed", which, how, given, repeats=1 if which == "pot" else repeats
            )
            own = own or figures["work_s"]
            few = f", {_FEW[how]} of {size[0]}" if which == "pot" and _FEW[how] < size[0] else ""
            ratio = own / figures["work_s"] if which == "pot" else ""
            rows.append(
                {"size": label, "contender": name + few, "work": figures["work_s"], "work ratio": ratio,
                 "peak": figures["peak_mb"], "added": figures["added_mb"]}
            )  # fmt: skip
    return rows


if __name__ == "__main__":
    which, how, size = sys.argv[1], sys.argv[2], tuple(json.loads(sys.argv[3]))
    print(json.dumps(ours(size, strata=how) if which == "ours" else pot(size, solver=how)))
