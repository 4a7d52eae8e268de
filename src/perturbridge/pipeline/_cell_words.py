"""The cell level of a run in a few sentences, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._align_words import alignment_sentences
from ._audit_words import verdict_sentence

if TYPE_CHECKING:
    from ._cell_level import CellLevel
    from ._cell_scores import LevelComparison

__all__ = ["cell_sentences"]


def cell_sentences(level: CellLevel, levels: LevelComparison | None) -> tuple[str, ...]:
    """Say what the audit found, what moves cells, and what predicted cells are worth on held-out perturbations.

    Parameters
    ----------
    level
        The cell level.
    levels
        Its comparison with the profiles.
    """
    if level.status == "skipped":
        return (f"No cells were predicted. {level.reason}",)
    said = []
    latent = level.latent
    if latent is not None and latent.report is not None:
        if latent.first is not None and latent.first is not latent.report:
            said.append(verdict_sentence(latent.first))
        said.append(verdict_sentence(latent.report))
    if level.alignment is not None:
        said += alignment_sentences(level.alignment)[:2]
    if level.status in ("refused", "aligned"):
        return (*said, f"No cells were predicted. {level.reason}")
    if level.response is not None:
        ladder = level.response.ladder_
        rungs = {rung.name: rung for rung in ladder.rungs}
        last = rungs.get("residual", rungs["ridge, cells"])
        said.append(
            f"Displacements of held-out perturbations: error {last.error:.2f} per cell (no effect 1.00, mean shift {rungs['mean shift'].error:.2f}), "
            f"energy distance {last.energy:.2f} of that of unmoved controls."
        )
    if levels is not None:
        weight = (
            f"{levels.weight:.2f} ± {levels.weight_se:.2f}" if levels.weight else "0: cells add nothing to the ridge"
        )
        said.append(
            f"Weight of the profiles from cells beside the ridge, by held-out training perturbations: {weight}."
        )
    return tuple(said)
