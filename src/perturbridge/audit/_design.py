"""Check 0: which contexts, samples and conditions are nested, crossed or confounded, and what can be tested at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturbridge.numerics import cramers_v
from perturbridge.values import Check

from ._permutation import n_partitions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Labels, Verdict

    from ._settings import AuditSettings
    from ._subject import Subject

__all__ = ["Design", "check_design", "read_design"]

_FEWEST_UNSEEN = 500

Relation = Literal["none", "same", "nested", "crossed"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """What the labels alone say.

    Parameters
    ----------
    tested
        True for cells that are read `(n_cells,)`: of contexts with enough cells, and, where the latent says which cells it was
        fitted on and enough others are left, of those others alone.
    n_trained
        Cells left out of the reading because the latent was fitted on them.
    small
        Contexts with too few cells, and how many they have.
    relation
        Of sample to context: `"nested"` where each sample lies in one context, `"crossed"` where samples hold several, `"same"` where
        each context is one sample, `"none"` where no sample was given.
    samples_per_context
        Samples of each context that is tested.
    informative
        Share of tested cells in strata that hold two contexts or more.
    association
        Bias-corrected Cramér's V of context with condition, state and sample, in [0, 1].
    attainable_p
        Smallest p-value that dealing whole samples anew could give; NaN where that is no test.
    """

    tested: NDArray[np.bool_]
    n_trained: int
    small: dict[str, int]
    relation: Relation
    samples_per_context: tuple[int, ...]
    informative: float
    association: dict[str, float]
    attainable_p: float

    @property
    def n_contexts(self) -> int:
        """Contexts that are tested."""
        return len(self.samples_per_context)


def _association(a: NDArray[np.integer], b: NDArray[np.integer]) -> float:
    """Bias-corrected Cramér's V of two labels of the same cells; 0 where one of them has a single value."""
    table = np.zeros((int(a.max()) + 1, int(b.max()) + 1), dtype=np.int64)
    np.add.at(table, (a, b), 1)
    value = cramers_v(table)
    return 0.0 if np.isnan(value) else value


def read_design(subject: Subject, settings: AuditSettings) -> Design:
    """Count what the labels allow.

    Parameters
    ----------
    subject
        What is audited.
    settings
        `min_cells` decides which contexts are tested.
    """
    context = subject.context.codes
    fresh = _unseen(subject, settings)
    counts = np.bincount(context[fresh], minlength=subject.n_contexts)
    tested = fresh & (counts[context] >= settings.min_cells)
    small = {subject.context.categories[k]: int(counts[k]) for k in np.flatnonzero(counts < settings.min_cells)}
    kept = np.unique(context[tested])
    relation, per_context = _relation(subject.sample, context, tested)
    nested = relation == "nested"
    return Design(
        tested=np.asarray(tested, dtype=np.bool_),
        n_trained=int((~fresh).sum()),
        small=small,
        relation=relation,
        samples_per_context=per_context or (0,) * len(kept),
        informative=_informative(context[tested], subject.strata[tested]),
        association={
            role: _association(context[tested], labels.codes[tested])
            for role, labels in (("condition", subject.condition), ("state", subject.state), ("sample", subject.sample))
            if labels is not None and tested.any()
        },
        attainable_p=1 / n_partitions(per_context) if nested else float("nan"),
    )


def _unseen(subject: Subject, settings: AuditSettings) -> NDArray[np.bool_]:
    """True for cells no fitted step saw, if they are 500 or more in two contexts; else for all cells.

    A latent that was trained to hide its context hides it best on the cells it was trained on.
    """
    everything = np.ones(subject.n_cells, dtype=np.bool_)
    if subject.latent.trained is None:
        return everything
    unseen = ~subject.latent.trained
    counts = np.bincount(subject.context.codes[unseen], minlength=subject.n_contexts)
    enough = unseen.sum() >= _FEWEST_UNSEEN and (counts >= settings.min_cells).sum() >= min(2, subject.n_contexts)
    return unseen if enough else everything


def _informative(context: NDArray[np.integer], strata: NDArray[np.int64]) -> float:
    if not len(context):
        return 0.0
    n_contexts = int(context.max()) + 1
    present = np.bincount(strata * n_contexts + context, minlength=(int(strata.max()) + 1) * n_contexts) > 0
    several = present.reshape(-1, n_contexts).sum(axis=1) > 1
    return float(several[strata].mean())


def _relation(
    sample: Labels | None, context: NDArray[np.integer], tested: NDArray[np.bool_]
) -> tuple[Relation, tuple[int, ...]]:
    if sample is None or not tested.any():
        return "none", ()
    codes, where = sample.codes[tested], context[tested]
    kept, inverse = np.unique(where, return_inverse=True)
    table = np.zeros((int(codes.max()) + 1, len(kept)), dtype=np.int64)
    np.add.at(table, (codes, inverse.reshape(-1)), 1)
    table = table[table.sum(axis=1) > 0]
    per_context = tuple(int(n) for n in (table > 0).sum(axis=0))
    if ((table > 0).sum(axis=1) > 1).mean() >= 0.5:
        return "crossed", per_context
    return ("same" if max(per_context) == 1 else "nested"), per_context


def check_design(subject: Subject, design: Design, settings: AuditSettings) -> Check:
    """Say what can be tested; what cannot is called so and never passed.

    Parameters
    ----------
    subject, design, settings
        What is audited, what its labels say, and the least number of cells.
    """
    verdict, evidence, cure = _judge(subject, design, settings)
    figures: dict[str, Any] = {
        "contexts": dict(zip(subject.context.categories, np.bincount(subject.context.codes).tolist(), strict=True)),
        "small_contexts": design.small,
        "relation": design.relation,
        "samples_per_context": list(design.samples_per_context),
        "informative": design.informative,
        "association": design.association,
        "constant_dimensions": list(subject.constant),
        "n_unlabelled": subject.n_unlabelled,
    }
    return Check(
        name="design",
        question="What do the labels of the cells allow to be tested?",
        verdict=verdict,
        evidence=" ".join((evidence, *_seen(subject, settings), *_remarks(subject, design))),
        cure=cure,
        effect=design.association.get("condition", float("nan")),
        effect_name="Cramér's V of context and condition" if "condition" in design.association else "",
        p_attainable=design.attainable_p,
        gates=verdict != "info",
        figures=figures,
    )


def _judge(subject: Subject, design: Design, settings: AuditSettings) -> tuple[Verdict, str, str]:
    column = subject.context.column
    if design.n_contexts < 2:
        small = f" and {len(design.small)} with fewer than {settings.min_cells} cells" if design.small else ""
        found = f"{column!r} has {design.n_contexts} context that can be tested{small}: a leak needs two, so there is nothing to read."
        return (
            "not_identifiable",
            found,
            "Audit against a column of two contexts or more; until then pair cells within their context.",
        )
    if design.informative == 0:
        found = (
            f"Every stratum (condition x state) lies in one context of {column!r} (Cramér's V "
            f"{design.association.get('condition', design.association.get('state', 0)):.2f}): context and biology cannot be told apart."
        )
        return (
            "not_identifiable",
            found,
            "Measure controls in every context; until then pair cells within their context.",
        )
    if design.small:
        first = next(iter(design.small))
        found = (
            f"{len(design.small)} of {subject.n_contexts} contexts have fewer than {settings.min_cells} cells and are not tested, "
            f"the first is {first!r} with {design.small[first]}."
        )
        return "warn", found, "Leave these contexts out of transport, join them to others, or measure more cells."
    if design.informative < 0.5:
        found = f"Only {design.informative:.0%} of the cells lie in strata that hold two contexts; the rest was not examined."
        return "warn", found, "Measure conditions in several contexts, or pair cells within their context."
    found = f"{design.n_contexts} contexts, {design.informative:.0%} of {subject.n_cells:,} cells in strata that hold two or more."
    return "info", found, ""


def _seen(subject: Subject, settings: AuditSettings) -> list[str]:
    if subject.n_cells <= settings.max_cells_seen:
        return []
    return [
        f"Coordinates of about {settings.max_cells_seen:,} of them are looked at, drawn from every context in its share."
    ]


def _remarks(subject: Subject, design: Design) -> list[str]:
    said = []
    if design.relation == "nested":
        said.append(
            f"Samples are nested in contexts ({min(design.samples_per_context)} to {max(design.samples_per_context)} each): dealing them "
            f"anew cannot give a p below {design.attainable_p:.3g}."
        )
    if design.relation == "crossed":
        said.append("Samples hold several contexts each: labels are shuffled within samples.")
    if design.relation == "same":
        said.append("Each context is one sample: what belongs to which cannot be told apart.")
    if subject.constant:
        said.append(
            f"{len(subject.constant)} of {subject.latent.n_dims} dimensions are constant, the first is {subject.constant[0]}."
        )
    if design.n_trained:
        said.append(f"{design.n_trained:,} cells on which the latent was fitted are not read.")
    elif subject.latent.trained is not None and subject.latent.trained.any():
        said.append(
            "Too few cells are left on which the latent was not fitted, so all are read: a hidden context may show more elsewhere."
        )
    if subject.n_unlabelled:
        said.append(f"{subject.n_unlabelled:,} cells without a label were left out.")
    return said
