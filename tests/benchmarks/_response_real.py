"""Predicted cells on real screens, held out: Norman and Papalexi by perturbation (`perturbridge run`), Kang's interferon by cell type.

*energy*, *mmd*: distance of predicted to real cells in the encoder's coordinates over that of unmoved controls, 95 % bootstrap interval over
perturbations (over cell types for Kang). *r*: Pearson of Δ from decoded cells with the measured Δ. *mean shift*: controls moved by the mean
displacement of what was seen; for Kang, where one perturbation is seen in other cell types, that is scGen's latent arithmetic. *raw*: the
barycentre of an entropic plan minus the cell, as TriShift and CellFlow pair cells. PERTURBRIDGE_DATA names the data.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

SCREENS = {
    "Norman": ("screens/norman2019_k562_crispra.h5ad", {}),
    "Papalexi": ("screens/papalexi2021_thp1_eccite.h5ad", {"perturbation": "target", "context": "bio_rep"}),
}


def run(*, quick: bool) -> list[dict]:
    """Both screens by perturbation, then every cell type of Kang that has enough cells."""
    data = Path(os.environ["PERTURBRIDGE_DATA"])
    rows = []
    for name, (file, settings) in SCREENS.items():
        if quick and name != "Norman":
            continue
        rows += by_perturbation(name, data / file, settings)
    return rows + by_cell_type(data / "multibatch" / "kang2018_pbmc_ifnb_2donors.h5ad", quick=quick)


def by_perturbation(name: str, file: Path, settings: dict) -> list[dict]:
    """The cell level of a run beside its ridge, on the fold it did not see; and its ladder."""
    import tempfile

    import perturbridge as pb

    with tempfile.TemporaryDirectory() as scratch:
        done = pb.run(pb.RunConfig(screen=file, **settings), Path(scratch) / "run")
    level, levels = done.cells, done.levels
    rows = [
        {
            "data": f"{name}, ladder",
            "step": rung.name,
            "error per cell": f"{rung.error:.3f} ± {rung.error_se:.3f}",
            "energy": f"{rung.energy:.3f} ± {rung.energy_se:.3f}",
        }
        for rung in level.response.ladder_.rungs
    ]
    correlation = {r["model"]: r for r in levels.summary if r["metric"] == "pearson_delta"}
    for step, model in (("mean shift", "mean"), ("predicted", "cells")):
        rows.append(
            {
                "data": f"{name}, {len(levels.distances)} held-out perturbations",
                "step": step,
                "energy": _interval(levels.ratio["energy"][step]),
                "mmd": _interval(levels.ratio["mmd"][step]),
                "r": _mean(correlation[model]),
            }
        )
    models = (done.cross_validation.model, "stacked")
    return rows + [{"data": f"{name}, profiles", "step": m, "r": _mean(correlation[m])} for m in models]


def _interval(value: dict) -> str:
    return f"{value['ratio']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def _mean(row: dict) -> str:
    return f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def by_cell_type(file: Path, *, quick: bool) -> list[dict]:
    """Interferon seen in all cell types but one, whose controls are moved; the encoder never saw its stimulated cells."""
    import anndata as ad

    import perturbridge as pb
    from perturbridge.latent import Architecture, Training
    from perturbridge.numerics import energy_distance
    from perturbridge.pipeline._cell_distances import squared_mmd

    adata = ad.read_h5ad(file)
    donors, groups, kinds = (adata.obs[c].astype(str).to_numpy() for c in ("donor", "group_id", "cluster_id"))
    control, stimulated = (g for g in sorted(set(groups), key=lambda g: "ctrl" not in g.lower()))
    sizes = {kind: ((kinds == kind) & (groups == stimulated)).sum() for kind in sorted(set(kinds))}
    wanted = [kind for kind, n in sizes.items() if n >= 40][: 1 if quick else None]
    screen = pb.read_screen(file, perturbation="group_id", control=control, context="donor", state="cluster_id")
    totals: dict[str, list] = {}
    for kind in wanted:
        left_out = (kinds == kind) & (groups == stimulated)
        model = pb.LatentModel(architecture=Architecture(n_latent=16), training=Training(seed=0))
        latent = model.fit(screen, rows=~left_out).encode(screen, unseen="encode")
        z, clouds = latent.z.astype(float), {}
        centre = {d: z[(donors == d) & (groups == control)].mean(axis=0) for d in sorted(set(donors))}
        x = z - np.stack([centre[d] for d in donors])
        base, real = x[(kinds == kind) & (groups == control)], x[left_out]
        seen = ~left_out & (kinds != kind)
        shift = x[seen & (groups == stimulated)].mean(axis=0) - x[seen & (groups == control)].mean(axis=0)
        clouds = {"no change": base, "mean shift": base + shift}
        rows = np.flatnonzero(~left_out)
        part = pb.Latent(z=latent.z[rows])
        labels = {"condition": groups[rows], "context": donors[rows], "state": kinds[rows], "control": [control]}
        moved = np.flatnonzero((kinds == kind) & (groups == control))
        for step, settings in (
            ("predicted, within cell types", pb.AlignmentSettings(strata="state")),
            ("predicted, no labels", pb.AlignmentSettings()),
            ("raw", pb.AlignmentSettings(solver="raw", strata="none")),
        ):
            found = pb.align_latent(part, audit="override: a benchmark", **labels, settings=settings)
            state = list(kinds[moved]) if found.strata_by == "state" else None
            name = str(found.perturbations[0])
            clouds[step] = base + found.displacement(latent.z[moved], name, context=list(donors[moved]), state=state)
        still = model.decode(z[moved].astype(np.float32), context=donors[moved][0])
        measured = _log_mean(adata.X[left_out]) - _log_mean(adata.X[moved])
        for step, cloud in clouds.items():
            after = model.decode((z[moved] + cloud - base).astype(np.float32), context=donors[moved][0])
            profile = (np.log1p(after) - np.log1p(still)).mean(axis=0)
            r = float(np.corrcoef(profile, measured)[0, 1]) if profile.std() > 0 else float("nan")
            totals.setdefault(step, []).append((energy_distance(cloud, real), squared_mmd(cloud, real), r))
    return [_summed(step, totals, len(wanted)) for step in totals]


def _log_mean(counts) -> np.ndarray:
    dense = np.asarray(counts.todense() if hasattr(counts, "todense") else counts, dtype=float)
    return np.log1p(dense / dense.sum(axis=1, keepdims=True) * 1e4).mean(axis=0)


def _summed(step: str, totals: dict, n: int) -> dict:
    values, still = np.array(totals[step]), np.array(totals["no change"])
    drawn = np.random.default_rng(0).integers(n, size=(2000, n))
    row = {"data": f"Kang, {n} held-out cell types", "step": step}
    for j, distance in enumerate(("energy", "mmd")):
        ratio = values[drawn, j].sum(axis=1) / still[drawn, j].sum(axis=1)
        low, high = np.quantile(ratio, [0.025, 0.975])
        row[distance] = f"{values[:, j].sum() / still[:, j].sum():.3f} [{low:.3f}, {high:.3f}]"
    return row | {"r": f"{np.nanmean(values[:, 2]):.3f}" if np.isfinite(values[:, 2]).any() else "-"}
