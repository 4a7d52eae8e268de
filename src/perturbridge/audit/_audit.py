"""`audit_latent`: every check, in order, and the report that opens the gate or keeps it shut."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._rng import spawn
from perturbridge.values import AuditReport, Latent, as_labels

from ._controls import check_controls
from ._design import check_design, read_design
from ._folds import subsample
from ._geometry import check_geometry
from ._held_out import check_held_out
from ._kept import check_kept
from ._pipeline import check_pipeline
from ._random import check_random
from ._settings import AuditSettings
from ._subject import label_subject
from ._transport_fooled import check_transport
from ._within import check_within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import Check, Labels

    from ._design import Design
    from ._subject import Subject

__all__ = ["audit_latent", "audit_latents"]


def audit_latent(  # noqa: PLR0913 one keyword for each thing that is known of the cells
    latent: Latent | ArrayLike,
    *,
    context: str | ArrayLike | Labels,
    sample: str | ArrayLike | Labels | None = None,
    condition: str | ArrayLike | Labels | None = None,
    state: str | ArrayLike | Labels | None = None,
    control: NDArray[np.bool_] | Sequence[str] | None = None,
    library_size: ArrayLike | None = None,
    reference: ArrayLike | None = None,
    guides: str | ArrayLike | Labels | None = None,
    split_hash: str = "",
    drop_unlabelled: bool = False,
    settings: AuditSettings | None = None,
) -> AuditReport:
    """Say whether a latent can be trusted before transport.

    The leak is the AUC with which the strongest of several probes reads a cell's context from its coordinates, on cells it was not
    fitted on, among cells of the same condition and state; ½ is chance. The verdict is one of equivalence: `pass` when the upper bound
    of the leak lies below the tolerance, `fail` when the lower bound lies above it, `warn` between; `underpowered` or
    `not_identifiable` where the design cannot answer, never a pass. Every p-value is exact: labels are shuffled at the level at which
    they were assigned and within strata.

    Parameters
    ----------
    latent
        A `Latent`, or any array `(n_cells, n_dims)`: an `obsm` of AnnData, say.
    context
        Technical grouping that must not be readable: labels `(n_cells,)`, or the name of labels the latent carries.
    sample
        Biological unit to hold out as a whole (donor, replicate).
    condition, state
        Perturbation; biology worth keeping (cell type).
    control
        True for control cells `(n_cells,)`, or the labels of `condition` that are controls; default the usual spellings.
    library_size
        Counts per cell `(n_cells,)`: often the leak itself.
    reference
        PCA of the same data `(n_cells, n_reference_dims)`: what could have been read, and what biology there is to keep.
    guides
        Guide of each cell: one on both sides of the split fails.
    split_hash
        Of the split of the run; default that of the latent.
    drop_unlabelled
        Leave out cells with a missing label, counted in the report, instead of refusing them.
    settings
        Tolerances, sizes, seed.

    Returns
    -------
    AuditReport
        Its `require()` raises unless the gate is open.

    Raises
    ------
    DataError
        If the latent holds NaN, labels are missing, or lengths differ.
    """
    chosen = settings or AuditSettings()
    whole = _as_latent(latent)
    given = {"context": context, "sample": sample, "condition": condition, "state": state}
    groupings = {role: None if v is None else as_labels(role, v, whole) for role, v in given.items()}
    labelled = label_subject(
        whole,
        groupings=groupings,
        control=control,
        library_size=library_size,
        reference=reference,
        drop_unlabelled=drop_unlabelled,
    )
    design = read_design(labelled, chosen)
    subject, seen = _seen(labelled, design, chosen)
    pipeline = check_pipeline(
        whole,
        split_hash=split_hash,
        guides=None if guides is None else as_labels("guides", guides, whole),
        control=labelled.control if labelled.n_cells == whole.n_cells else None,
        seed=spawn(chosen.seed, 8)[7],
    )
    first = check_design(labelled, design, chosen)
    # Strata and codes of all cells have answered; what follows takes the most memory.
    del labelled, design
    checks = (first, *_checks(subject, seen, chosen), pipeline)
    return AuditReport(
        latent=whole.name,
        fingerprint=whole.fingerprint,
        checks=_gates(checks),
        n_cells=whole.n_cells,
        n_dims=whole.n_dims,
        split_hash=whole.split_hash,
        settings={
            **chosen.as_json(),
            **{role: labels.column for role, labels in groupings.items() if labels is not None},
        },
    )


def _as_latent(latent: Latent | ArrayLike) -> Latent:
    if isinstance(latent, Latent):
        return latent
    return Latent(z=np.asarray(latent, dtype=np.float32), made_by="an array from elsewhere")


def _seen(subject: Subject, design: Design, settings: AuditSettings) -> tuple[Subject, Design]:
    """The cells whose coordinates are looked at, each context in its share: which cells are drawn depends on labels alone."""
    if subject.n_cells <= settings.max_cells_seen:
        return subject.loaded(), design
    rows = subsample(subject.context.codes.astype(np.int64), settings.max_cells_seen, spawn(settings.seed, 9)[8])
    return subject.loaded(rows), replace(design, tested=design.tested[rows])


def _checks(subject: Subject, design: Design, settings: AuditSettings) -> list[Check]:
    streams = spawn(settings.seed, 8)
    made: list[Check | None] = []
    if design.n_contexts > 1:
        made.append(check_random(subject, design, settings, rng=streams[0]))
        if design.informative > 0 and (subject.condition is not None or subject.state is not None):
            made.append(check_within(subject, design, settings, rng=streams[1]))
        made.append(check_controls(subject, design, settings, rng=streams[2]))
        made.append(check_held_out(subject, design, settings, rng=streams[3]))
    made.append(check_kept(subject, design, settings, rng=streams[4]))
    if design.n_contexts > 1:
        made.append(check_geometry(subject, seed=streams[5]))
        made.append(
            check_transport(
                subject,
                displacement_tolerance=settings.displacement_tolerance,
                noise_tolerance=settings.noise_tolerance,
                n_permutations=settings.n_permutations,
                seed=streams[6],
            )
        )
    return [check for check in made if check is not None]


def _gates(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Decide which readouts gate.

    The readout within strata answers for the gate where it can be made; the one over all cells then mixes leak and biology and only
    informs. Held-out samples ask a narrower question than the random split: what no probe reads in known samples, it cannot read in
    new ones, so where the random split passes an undecided answer only informs. Controls alone are few: they gate where they show a
    leak, and where the readout within strata, which holds them too, does not pass. Whether transport would be fooled cannot be told
    where perturbations are weak; where the context cannot be read that only informs.
    """
    names = {check.name: check for check in checks}
    decisive = names.get("readout_within", names.get("readout_random"))
    out = []
    for check in checks:
        gates = check.gates
        if check.name == "readout_random":
            gates = "readout_within" not in names and names["design"].verdict != "not_identifiable"
        if check.name == "readout_held_out" and decisive is not None:
            gates = check.verdict == "fail" or (gates and decisive.verdict not in ("pass", "fail"))
        if check.name == "readout_controls" and decisive is not None:
            gates = check.verdict == "fail" or check.p <= 0.05 or decisive.verdict != "pass"
        if check.name == "transport" and decisive is not None:
            gates = gates and not (check.verdict == "underpowered" and decisive.verdict == "pass")
        out.append(replace(check, gates=gates))
    return tuple(out)


def audit_latents(  # noqa: PLR0913 as audit_latent
    latents: Mapping[str, Latent | ArrayLike],
    *,
    context: ArrayLike | Labels,
    sample: ArrayLike | Labels | None = None,
    condition: ArrayLike | Labels | None = None,
    state: ArrayLike | Labels | None = None,
    control: NDArray[np.bool_] | Sequence[str] | None = None,
    library_size: ArrayLike | None = None,
    reference: ArrayLike | None = None,
    settings: AuditSettings | None = None,
) -> dict[str, AuditReport]:
    """Audit several latents of the same cells side by side, by the same folds and shuffles.

    Parameters
    ----------
    latents
        By name; each as in `audit_latent`.
    context, sample, condition, state, control, library_size, reference, settings
        As in `audit_latent`, one row per cell.
    """
    reports = {}
    for name, latent in latents.items():
        named = replace(_as_latent(latent), name=name)
        reports[name] = audit_latent(
            named,
            context=context,
            sample=sample,
            condition=condition,
            state=state,
            control=control,
            library_size=library_size,
            reference=reference,
            settings=settings,
        )
    return reports
