"""`align_latent`: through the gate, and every training perturbation against the controls of its own contexts and states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._checks import FrozenMapping, one_of
from perturbridge._rng import spawn
from perturbridge.errors import DataError, LeakageError
from perturbridge.values import Alignment, Finding, PerturbationName, as_labels, control_cells
from perturbridge.workers import as_workers, one_thread

from ._cells import Chosen, training_cells
from ._many import Beside, align_many
from ._perturbation import perturbed_cells
from ._placebo import placebo_findings
from ._prepared import prepare_strata
from ._settings import AlignmentSettings
from .solvers import SOLVERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import AuditReport, Labels, Latent


__all__ = ["align_latent", "choose_cells", "optional_labels"]

_OVERRIDE = "override:"


def align_latent(  # noqa: PLR0913 one keyword for each thing that is known of the cells
    latent: Latent,
    *,
    audit: AuditReport | str,
    condition: str | ArrayLike | Labels = "condition",
    control: NDArray[np.bool_] | Sequence[str] | None = None,
    context: str | ArrayLike | Labels | None = None,
    state: str | ArrayLike | Labels | None = None,
    guide: str | ArrayLike | Labels | None = None,
    perturbations: Iterable[str | PerturbationName] | None = None,
    split_hash: str | None = None,
    drop_unlabelled: bool = False,
    settings: AlignmentSettings | None = None,
    client: object = None,
    progress: Callable[[int, int], None] | None = None,
) -> Alignment:
    """Δz(x) = shift_k + (T(x) − T₀(x) − mean) A for every training perturbation and stratum k, in coordinates centred by context.

    T is the entropic map from controls to perturbed cells, T₀ that from controls to controls, A what is left of the difference once
    directions that controls against controls show as well are taken out; shift_k is the mean displacement of the stratum, drawn
    towards that of all strata by its noise and towards 0 by the null. Cells are compared with the training controls of their own
    context, and plans never cross a state, so that neither a batch nor a change of composition passes for an effect.

    Parameters
    ----------
    latent
        Coordinates, with the labels that travel along.
    audit
        The report that opens the gate for this very latent; or `"override: reason"`, which is written into the alignment.
    condition, control
        Perturbation of each cell, and which of its labels are controls (or a mask); default the usual spellings.
    context, state
        Technical grouping and biology of each cell; default those the latent carries; `""`: none.
    guide
        Guide of each cell: every guide of the controls is then tried as a placebo against the others.
    perturbations
        Only these; default all that have training cells.
    split_hash
        Of the split that is scored; default that of the latent.
    drop_unlabelled
        Leave out cells with a missing label, counted in the findings, instead of refusing them.
    settings
        How cells are paired.
    client
        A `dask.distributed.Client` or an executor to spread the perturbations, and placebos, over; default this process. The controls
        travel once to each worker. The result is the same to the last bit.
    progress
        Called with perturbations done and in all.

    Returns
    -------
    Alignment
        `displacement(z, perturbation)` for any control cell, and the report of every plan.

    Raises
    ------
    LeakageError
        If the audit is of another latent, its verdict keeps the gate shut, or the latent was fitted under another split.
    DataError
        If labels are missing, there are no controls, or a named perturbation has no training cells.

    Examples
    --------
    >>> import numpy as np
    >>> import perturbridge as pb
    >>> rng = np.random.default_rng(0)
    >>> names = np.repeat(["control", "TP53"], [200, 100])
    >>> z = rng.normal(size=(300, 2)) + 3.0 * (names == "TP53")[:, None]
    >>> latent = pb.Latent(z=z)
    >>> moved = pb.align_latent(latent, audit="override: an example", condition=names)
    >>> moved.displacement(z[:1], "TP53").round(0)
    array([[3., 3.]], dtype=float32)
    """
    chosen_settings, workers = settings or AlignmentSettings(), as_workers(client)
    one_of("solver", chosen_settings.solver, tuple(SOLVERS))
    gate, within = _gate(latent, audit, split_hash)
    labels = as_labels("condition", condition, latent)
    chosen = choose_cells(
        latent,
        labels,
        control_cells(labels, control),
        context=optional_labels("context", context, latent),
        state=optional_labels("state", state, latent),
        wanted=perturbations,
        drop_unlabelled=drop_unlabelled,
    )
    rngs = spawn(chosen_settings.seed, 4)
    with one_thread():
        cells = training_cells(latent, chosen, settings=chosen_settings, within_context=within, rng=rngs[0])
        strata = prepare_strata(cells, chosen_settings, rng=rngs[1])
    beside, names = Beside.of(cells, strata, chosen_settings), [str(name) for name in chosen.perturbations]
    answers = align_many(
        perturbed_cells(cells, names), rngs[2].spawn(len(names)), beside=beside, client=workers, progress=progress
    )
    findings: list[Finding] = [*_dropped(chosen), *cells.findings]
    if guide is not None:
        guides = as_labels("guide", guide, latent)
        findings += placebo_findings(chosen, guides, cells=cells, beside=beside, client=workers)
    return Alignment(
        perturbations=chosen.perturbations,
        contexts=cells.contexts,
        centres=cells.centres,
        strata=cells.strata,
        strata_by=cells.strata_by,  # type: ignore[arg-type]
        cluster_centres=cells.cluster_centres,
        self_maps=tuple(stratum.self_map for stratum in strata),
        displacements=tuple(answer.displacements for answer in answers),
        plans=tuple(plan for answer in answers for plan in answer.plans),
        reports=tuple(answer.report for answer in answers),
        control_weights=np.array([s.n_controls for s in strata]) / sum(s.n_controls for s in strata),
        context_mass=_shares(sum(answer.context_mass for answer in answers)),  # type: ignore[arg-type]
        fingerprint=latent.fingerprint,
        split_hash=latent.split_hash,
        audit=FrozenMapping(gate),
        settings=FrozenMapping(chosen_settings.as_json() | {"within_context": within}),
        findings=tuple(findings),
    )


def _shares(mass: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(mass / max(float(mass.sum()), 1e-300))


def _gate(latent: Latent, audit: AuditReport | str, split_hash: str | None) -> tuple[dict[str, Any], bool]:
    """What opened the gate, and whether cells may be paired only inside their context."""
    if split_hash is not None and split_hash != latent.split_hash:
        problem = f"Latent {latent.name!r} was fitted under split {latent.split_hash[:12] or 'none'}, this is split {split_hash[:12]}."
        raise LeakageError(problem, cure="Fit the latent under the split that is scored.")
    if isinstance(audit, str):
        reason = audit.strip()[len(_OVERRIDE) :].strip() if audit.strip().lower().startswith(_OVERRIDE) else ""
        if not reason:
            problem = f"audit is {audit!r}."
            raise DataError(problem, cure="Pass the report of audit_latent, or 'override: reason'.")
        return {"verdict": "not audited", "override": reason}, False
    within = audit.allows == "within context"
    audit.require(latent.fingerprint, pairs="within context" if within else "any pairs")
    check = audit.decisive
    return {
        "verdict": audit.verdict,
        "check": check.name,
        "figure": check.figure,
        "allows": audit.allows,
        "override": audit.override,
    }, within


def optional_labels(role: str, values: str | ArrayLike | Labels | None, latent: Latent) -> Labels | None:
    """Return labels that may be there: None takes those the latent carries, an empty name none."""
    if values is None:
        return latent.labels.get(role)
    if isinstance(values, str) and not values:
        return None
    return as_labels(role, values, latent)


def choose_cells(
    latent: Latent,
    condition: Labels,
    control: NDArray[np.bool_],
    *,
    context: Labels | None,
    state: Labels | None,
    wanted: Iterable[str | PerturbationName] | None,
    drop_unlabelled: bool,
) -> Chosen:
    """Rows of the training controls and of the training cells of every perturbation that is wanted (None: all)."""
    # Under a split only cells of its training rows may enter anything; the latent knows which they are.
    knows = latent.split_hash and latent.trained is not None
    usable = np.array(latent.trained) if knows else np.ones(latent.n_cells, dtype=np.bool_)
    n_before = int(usable.sum())
    for role, labels in (("condition", condition), ("context", context), ("state", state)):
        if labels is None or not (bad := usable & (labels.codes < 0)).any():
            continue
        if not drop_unlabelled:
            problem = f"{int(bad.sum()):,} of {int(usable.sum()):,} training cells have no {role} ({labels.column!r}), the first is cell {int(np.argmax(bad))}."
            raise DataError(problem, cure="Label these cells, or pass drop_unlabelled=True to leave them out.")
        usable &= ~bad
    n_labelled = int(usable.sum())
    controls = np.flatnonzero(usable & control)
    if not len(controls):
        problem = f"None of {n_labelled:,} training cells is a control; labels begin {', '.join(map(repr, condition.categories[:3]))}."
        raise DataError(problem, cure="Pass control= with the labels of control cells.")
    codes = np.where(usable & ~control, condition.codes, -1)
    present = {PerturbationName.parse(condition.categories[i]): int(i) for i in np.unique(codes[codes >= 0])}
    names = sorted(present) if wanted is None else sorted({_name(name) for name in wanted})
    lacking = [str(name) for name in names if name not in present]
    if lacking or not names:
        problem = f"{len(lacking) or 'No'} of {len(names)} perturbations have no training cells{', the first is ' + repr(lacking[0]) if lacking else ''}."
        raise DataError(problem, cure="Align perturbations of the training side; a response model predicts the others.")
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], [[present[name], present[name] + 1] for name in names])
    return Chosen(
        controls=controls,
        perturbed=tuple(np.sort(order[start:stop]) for start, stop in edges),
        perturbations=tuple(names),
        context=context,
        state=state,
        n_unlabelled=n_before - n_labelled,
    )


def _dropped(chosen: Chosen) -> list[Finding]:
    if not chosen.n_unlabelled:
        return []
    message = f"{chosen.n_unlabelled:,} training cells without a label were left out."
    return [Finding(level="warning", code="unlabelled_cells", message=message, count=chosen.n_unlabelled)]


def _name(name: str | PerturbationName) -> PerturbationName:
    return name if isinstance(name, PerturbationName) else PerturbationName.parse(name)
