"""The report of an evaluation: the sections of a run's report that need no run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.report import Report, Section, Table, render_report

from ._manifest import environment
from ._perturbation_facts import measured_facts
from ._report_scores import all_metrics, coverage, how_good
from ._report_subject import ScoredModel
from ._report_where import what_it_predicts, where
from ._summary import against_baselines, finding_lines, records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._evaluate import Evaluation

__all__ = ["evaluation_report"]

_MOST_IN_DETAIL = 3


def evaluation_report(evaluation: Evaluation, *, command: str = "") -> str:
    """Return one self-contained HTML page with the same sections as a run's report, for up to three models in detail.

    Parameters
    ----------
    evaluation
        What was scored.
    command
        The command line, to do it again.
    """
    told = environment()
    facts = measured_facts(evaluation.effects, evaluation.candidates[0].prediction.perturbations)
    comparison = evaluation.comparison()
    manifest = {
        "scores": records(evaluation.summary()),
        "comparison": [] if comparison is None else records(comparison),
        "headline": records(evaluation.headline()),
        "calibration": [] if (found := evaluation.calibration()) is None else records(found),
        "perturbations": facts,
    }
    sections = [_asked(evaluation), _checks(evaluation)]
    for subject in _subjects(evaluation):
        sections += _of_model(evaluation, subject, manifest)
    sections += [*_others(evaluation), _again(evaluation, told, command)]
    return render_report(
        Report(
            title=f"perturbridge evaluate: {', '.join(evaluation.models)}",
            answer=" ".join(_answer(evaluation, model, manifest["comparison"]) for model in evaluation.models),
            sections=tuple(sections),
            footer=f"perturbridge {told['perturbridge']}.",
        )
    )


def _subjects(evaluation: Evaluation) -> list[ScoredModel]:
    return [
        ScoredModel(
            model=candidate.prediction.model,
            scores=evaluation.scores,
            baselines=evaluation.baselines,
            held_out=candidate.prediction,
        )
        for candidate in evaluation.candidates[:_MOST_IN_DETAIL]
    ]


def _of_model(evaluation: Evaluation, subject: ScoredModel, manifest: dict[str, Any]) -> list[Section]:
    """Sections of one model, under its name where there are several."""
    own = {**manifest, "comparison": [row for row in manifest["comparison"] if row["model"] == subject.model]}
    sections = [
        how_good(own, subject, metrics=evaluation.shown, how=_how(evaluation)),
        where(own, subject),
        what_it_predicts(evaluation.effects, subject),
        *coverage(own, subject),
        all_metrics(own["scores"], subject.model),
    ]
    if len(evaluation.models) == 1:
        return sections
    return [section.under(f"{subject.model}: {section.title}") for section in sections]


def _how(evaluation: Evaluation) -> str:
    cells = [c.prediction.model for c in evaluation.candidates if c.cells is not None]
    drawn = (
        f" Means of predicted cells ({', '.join(cells)}) are noisy because the cells are few: rmse_excess, and the skill in correlations, "
        "leave that noise out, within what the measurement's own noise and the spread of the predictions allow; plain correlations do not."
        if cells
        else ""
    )
    if not evaluation.baselines:
        return (
            "The predictions were made elsewhere; no training perturbation is known, so there is no baseline and no skill."
            + drawn
        )
    return "The predictions were made elsewhere; the baselines are fitted on the training perturbations alone." + drawn


def _answer(evaluation: Evaluation, model: str, comparison: Sequence[dict[str, Any]]) -> str:
    n = len(evaluation.candidates[0].prediction.perturbations)
    if not evaluation.baselines:
        return f"{model}: scores of {n} perturbations; without training perturbations there is no baseline to hold them against."
    return f"{model}: {against_baselines([row for row in comparison if row['model'] == model], n=n)}"


def _asked(evaluation: Evaluation) -> Section:
    effects, n = evaluation.effects, len(evaluation.candidates[0].prediction.perturbations)
    training = (
        f", beside {len(evaluation.baselines)} baselines fitted on the training perturbations: {', '.join(evaluation.baselines)}"
        if evaluation.baselines
        else ""
    )
    names = ", ".join(evaluation.models)
    _, notes = finding_lines([finding.as_json() for finding in evaluation.findings])
    question = (
        f"How good are the predictions of {names}, for {n} perturbations of {len(effects.genes):,} genes{training}?"
    )
    return Section(title="What was asked", sentences=(question, *notes))


def _checks(evaluation: Evaluation) -> Section:
    warnings, _ = finding_lines([finding.as_json() for finding in (*evaluation.findings, *evaluation.effects.findings)])
    said = () if warnings else ("Nothing in the predictions or the scores asks for caution beyond the numbers.",)
    return Section(title="Verdict and checks", warnings=warnings, sentences=said)


def _others(evaluation: Evaluation) -> tuple[Section, ...]:
    left = evaluation.models[_MOST_IN_DETAIL:]
    if not left:
        return ()
    sentence = f"{', '.join(left)} stand in the tables above; their figures are left out to keep the page readable."
    return (Section(title="Other models", sentences=(sentence,)),)


def _again(evaluation: Evaluation, told: dict[str, Any], command: str) -> Section:
    rows = (
        ("command", command or "from Python"),
        ("seed", str(evaluation.seed)),
        ("perturbridge, Python, platform", f"{told['perturbridge']}, {told['python']}, {told['platform']}"),
        ("libraries", ", ".join(f"{name} {number}" for name, number in told["libraries"].items())),
        ("measured, SHA-256 of its sums", evaluation.effects.fingerprint),
        ("perturbations scored", f"{np.unique(evaluation.scores.perturbation).size:,}"),
    )
    return Section(title="How to do it again", tables=(Table(columns=("what", "value"), rows=rows),))
