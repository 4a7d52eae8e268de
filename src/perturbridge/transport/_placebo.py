"""Guides that target nothing, each against the others: what ought not to move, and whether it does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import Finding
from perturbridge.workers import one_thread

from ._many import align_many
from ._perturbation import Perturbed
from ._prepared import with_nulls

if TYPE_CHECKING:
    from perturbridge.values import Labels

    from ._cells import Chosen, TrainingCells
    from ._many import Beside

__all__ = ["placebo_findings"]

_LEVEL = 0.05


def placebo_findings(
    chosen: Chosen, guides: Labels, *, cells: TrainingCells, beside: Beside, client: object = None
) -> list[Finding]:
    """Align the cells of each control guide as if it were a perturbation; one finding that counts those which move (p ≤ .05).

    By chance one in twenty does. The guide's own cells are among the controls it is compared with, which makes the comparison milder
    by their share.

    Parameters
    ----------
    chosen
        Which cells train.
    guides
        Guide of each cell.
    cells, beside
        Centred coordinates, and the controls, ready.
    client
        As in `as_workers`.
    """
    settings = beside.settings
    rows = chosen.controls
    if chosen.context is not None:
        place = {name: i for i, name in enumerate(cells.contexts)}
        inside = np.array([name in place for name in chosen.context.categories])
        rows = rows[inside[chosen.context.codes[rows]]]
    codes = guides.codes[rows]
    placebos, draws = [], []
    rngs = np.random.default_rng((settings.seed, 17)).spawn(len(guides.categories))
    for code, rng in zip(np.unique(codes[codes >= 0]), rngs, strict=False):
        own = np.flatnonzero(codes == code)
        if len(own) < settings.min_cells or len(own) > len(rows) // 2:
            continue
        name = guides.categories[code]
        placebos.append(
            Perturbed(
                name=name, y=cells.x[own], context=cells.x_context[own], stratum=cells.x_stratum[own], n_left_out=0
            )
        )
        draws.append(rng)
    with one_thread():
        # Guides may be of sizes that no perturbation has.
        strata = with_nulls(
            beside.strata, [one.stratum for one in placebos], settings, rng=np.random.default_rng((settings.seed, 18))
        )
    beside = replace(beside, strata=strata)
    p_of = {a.report.perturbation: a.report.p for a in align_many(placebos, draws, beside=beside, client=client)}
    tried, moved = len(p_of), [name for name, p in p_of.items() if p <= _LEVEL]
    worst = min(p_of.items(), key=lambda pair: pair[1], default=("", 2.0))
    if not tried:
        message = f"No guide of the controls has {settings.min_cells} cells and at most half of them: no placebo could be tried."
        return [Finding(level="info", code="no_placebo", message=message)]
    message = f"{len(moved)} of {tried} control guides move cells (p ≤ {_LEVEL}), where {_LEVEL * tried:.1f} would by chance; the least p is {worst[1]:.3g}."
    many = len(moved) > max(1.0, 3 * _LEVEL * tried)
    return [
        Finding(
            level="warning" if many else "info", code="placebo", message=message, count=len(moved), example=worst[0]
        )
    ]
