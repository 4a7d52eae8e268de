"""Strengths of separation chosen by the audit on real cells: fit on half, the search on a quarter, the verdict on the last quarter.

Each rung of `separation_ladder` is fitted once (16 dimensions, learning rate 4e-3) and audited twice: `search` decides where
`climb_separations` stops, `final` is what cells that neither the fit nor the search saw say of it. AUC of the strongest probe within
strata, with its interval, chance 0.5; tolerated 0.60.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ._designs import N_LATENT, planted, real


def run(*, quick: bool) -> list[dict]:
    """Climb the ladder on Papalexi's replicates, or on planted cells."""
    from perturbridge.latent import Architecture, LatentModel, Training
    from perturbridge.pipeline import climb_separations, separation_ladder

    screen = planted(quick=True) if quick else real("Papalexi replicates", n_cells=6000)[0]
    order = np.random.default_rng(0).permutation(screen.n_cells)
    half, cut = screen.n_cells // 2, 3 * screen.n_cells // 4
    fitted, search, final = (np.sort(part) for part in (order[:half], order[half:cut], order[cut:]))
    rows: list[dict] = []

    def fit(separations):
        model = LatentModel(
            architecture=Architecture(n_latent=N_LATENT),
            training=Training(precision="fp32", patience=None, learning_rate=4e-3),
            penalties=separations,
            name=" + ".join(f"{each.kind} {each.strength:g}" for each in separations) or "none",
        )
        return model.fit(screen, rows=fitted).encode(screen)

    def audit(latent):
        reports = {name: _judge(screen, latent, part) for name, part in (("search", search), ("final", final))}
        rows.append({"penalties": latent.name} | {k: v for n, r in reports.items() for k, v in _figures(n, r).items()})
        return reports["search"]

    climb = climb_separations(separation_ladder(), fit=fit, audit=audit)
    return [row | {"chosen": climb.passed is not None and row is rows[-1]} for row in rows]


def _judge(screen, latent, rows):
    from perturbridge.audit import AuditSettings, audit_latent
    from perturbridge.values import Latent

    def of(labels):
        return None if labels is None else replace(labels, codes=labels.codes[rows])

    names = np.array([*(str(name) for name in screen.perturbations), "unassigned", "control"])
    return audit_latent(
        Latent(z=latent.z[rows], name=latent.name, cells=rows),
        context=of(screen.context),
        condition=names[screen.perturbation_codes[rows]],
        state=of(screen.state),
        settings=AuditSettings(n_permutations=99, max_cells=4000),
    )


def _figures(name: str, report) -> dict:
    found = {f"{name} verdict": report.verdict}
    for check, title in (("readout_within", "context"), ("kept", "biology")):
        seen = report[check]
        found[f"{name} {title}"] = f"{seen.effect:.3f} [{seen.low:.3f}, {seen.high:.3f}]"
    return found
