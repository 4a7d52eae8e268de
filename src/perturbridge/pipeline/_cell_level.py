"""The cell level of a run: latent ▸ audit ▸ (repair ▸ audit) ▸ align ▸ response, on the training side of one fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturbridge.errors import EmbeddingError, FitError, LeakageError

from ._cell_decoder import LatentDecoder, way_back
from ._cell_latent import NO_CONTEXT, audited, encoded, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from perturbridge.latent import LatentModel
    from perturbridge.response import ResponseModel
    from perturbridge.values import Alignment, Effects, Fold, GeneEmbedding, Latent, Prediction, Screen, Split

    from ._cell_latent import CellLatent

__all__ = ["CellLevel", "cell_level"]

_MIN_CONTROLS = 50
_PROFILE_CELLS = 256


@dataclass(frozen=True, eq=False, kw_only=True)
class CellLevel:
    """What the cell level came to.

    Parameters
    ----------
    status
        `"done"`; `"refused"`: the audit kept the gate shut; `"aligned"`: no response could be fitted; `"skipped"`: it could not begin.
    reason
        Why it went no further, empty where it is done.
    fold
        Whose training side everything was fitted on.
    model, latent, cells
        The encoder; the training cells with their audits; all cells as encoded.
    alignment, response, decoder
        As far as they came.
    held_out
        Profiles of the test perturbations.
    crossed
        Profiles of the training perturbations, each as if its inner fold had never been seen.
    """

    status: Literal["done", "refused", "aligned", "skipped"]
    reason: str = ""
    fold: str = ""
    model: LatentModel | None = None
    latent: CellLatent | None = None
    cells: Latent | None = None
    alignment: Alignment | None = None
    response: ResponseModel | None = None
    decoder: LatentDecoder | None = None
    held_out: Prediction | None = None
    crossed: Prediction | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        out: dict[str, Any] = {"status": self.status, "reason": self.reason, "fold": self.fold}
        if self.latent is not None:
            first, report = self.latent.first, self.latent.report
            out["audit"] = None if report is None else report.as_json()
            out["first_audit"] = None if first is None else first.as_json()
            out["repair"] = None if self.latent.repair is None else self.latent.repair.table()
        if self.alignment is not None:
            out["gate"] = dict(self.alignment.audit)
            out["alignment"] = [report.as_json() for report in self.alignment.reports]
        if self.response is not None:
            out["response"] = self.response.report_
            out["ladder"] = self.response.ladder_.as_json()
        return out


def cell_level(  # noqa: PLR0913 one keyword for each thing that decides how far it goes
    screen: Screen,
    effects: Effects,
    embeddings: Sequence[GeneEmbedding],
    *,
    split: Split,
    override: str = "",
    seed: int = 0,
    device: str = "auto",
    client: object = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> CellLevel:
    """Carry the cell level as far as the data and the audit allow.

    Everything is fitted on the training perturbations of the first fold and on controls; its test perturbations are predicted.

    Parameters
    ----------
    screen, effects
        Cells, and what was measured of them.
    embeddings
        Sources of the response.
    split
        Its first fold is used.
    override
        Reason for which the gate is opened against the audit; empty: it is not.
    seed, device
        Of everything that is drawn, and of the training.
    client
        Workers that align, as in `align_latent`.
    progress
        Called with a stage, steps done and steps in all.
    """
    tell = progress or (lambda _stage, _done, _total: None)
    fold = split.folds[0]
    short = _too_little(screen, split)
    if short:
        return CellLevel(status="skipped", reason=short, fold=fold.name)
    model, cells = encoded(screen, split, fold=fold.name, seed=seed, device=device, progress=tell)
    train = rows_of(cells, _training_rows(cells))
    latent = audited(train, seed=seed, progress=tell)
    so_far: dict[str, Any] = {"fold": fold.name, "model": model, "latent": latent, "cells": cells}
    try:
        alignment = _aligned(latent, override=override, seed=seed, client=client, tell=tell)
    except LeakageError as error:
        return CellLevel(status="refused", reason=f"{error.problem} {error.cure}", **so_far)
    so_far["alignment"] = alignment
    repaired = latent.used is not latent.own
    back = way_back(latent.own, latent.used, latent.own.labels.get("context")) if repaired else {}
    decoder = LatentDecoder(model=model, back=back)
    try:
        response = _response(latent.used, alignment, embeddings, tell=tell)
        crossed = response.calibrate(effects, controls=latent.used, decoder=decoder, n_cells=_PROFILE_CELLS, seed=seed)
    except (FitError, EmbeddingError) as error:
        return CellLevel(status="aligned", reason=f"{error.problem} {error.cure}", **so_far)
    return CellLevel(
        status="done",
        response=response,
        decoder=decoder,
        held_out=_profiles(response, fold, latent.used, decoder=decoder, seed=seed),
        crossed=crossed,
        **so_far,
    )


def _too_little(screen: Screen, split: Split) -> str:
    if split.by:
        return f"The split holds out cells by {split.by!r}; the cell level holds out perturbations."
    n_controls = int((screen.perturbation_codes == -1).sum())
    if n_controls < _MIN_CONTROLS:
        return f"The screen has {n_controls} control cells; {_MIN_CONTROLS} are needed to learn where they are moved."
    return ""


def _training_rows(cells: Latent) -> NDArray[np.int64]:
    """Training cells whose labels are all known."""
    known = np.ones(cells.n_cells, dtype=np.bool_) if cells.trained is None else np.array(cells.trained)
    for labels in cells.labels.values():
        known &= labels.codes >= 0
    return np.flatnonzero(known)


def _aligned(
    latent: CellLatent, *, override: str, seed: int, client: object, tell: Callable[[str, int, int], None]
) -> Alignment:
    from perturbridge.transport import AlignmentSettings, align_latent

    report = latent.report
    if report is not None and override:
        report = report.overridden(override)
    return align_latent(
        latent.used,
        audit=NO_CONTEXT if report is None else report,
        settings=AlignmentSettings(seed=seed),
        client=client,
        progress=lambda i, n: tell("plans", i, n),
    )


def _response(
    latent: Latent, alignment: Alignment, embeddings: Sequence[GeneEmbedding], *, tell: Callable[[str, int, int], None]
) -> ResponseModel:
    from perturbridge.response import ResponseModel

    model = ResponseModel(embeddings, name="cells")
    return model.fit(alignment, latent, cells=latent, progress=lambda i, n: tell("response", i, n))


def _profiles(
    response: ResponseModel, fold: Fold, latent: Latent, *, decoder: LatentDecoder, seed: int
) -> Prediction | None:
    done = response.predict(
        fold.test, controls=latent, decoder=decoder, n_cells=_PROFILE_CELLS, expression="none", seed=seed
    )
    return done.profile
