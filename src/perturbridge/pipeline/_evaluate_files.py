"""Evaluation from files to files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge._checks import one_of
from perturbridge._files import atomic_file
from perturbridge.errors import DataError
from perturbridge.evaluation import METRICS, metrics_of_profile, to_frame, write_scores
from perturbridge.screens import read_effects
from perturbridge.workers import as_workers

from ._candidates import RealSide, read_candidate
from ._clouds import paired_clouds
from ._duplicate import half_effects
from ._evaluate import Evaluation, evaluate_candidates, told_apart
from ._export import write_cell_eval
from ._inputs import load_effects, load_screen
from ._manifest import environment, write_json
from ._rank_tests import rank_tested, real_rank_contrast
from ._summary import records
from ._tables import write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perturbridge.evaluation import Contrast
    from perturbridge.values import Screen

    from ._candidates import Candidate
    from ._config import RunConfig

    Progress = Callable[[str, int, int], None]

__all__ = ["EvaluateConfig", "evaluate_files", "export_evaluation", "write_evaluation"]


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What decides how predictions are scored.

    Parameters
    ----------
    real
        How to read what was measured.
    train_file
        Text file with the training perturbations, one a line; None: all that are not predicted.
    profile
        Which metrics, as in `metrics_of_profile`.
    skip
        Metrics to leave out.
    ceiling
        Sum two halves of the cells too, for a technical duplicate.
    de_test
        `"welch"`, from means and variances, or `"wilcoxon"`, from the cells, which takes a second for each perturbation and 2,000 genes.
    """

    real: RunConfig
    train_file: Path | None = None
    profile: str = "full"
    skip: tuple[str, ...] = ()
    ceiling: bool = False
    de_test: str = "welch"


def evaluate_files(
    predictions: Sequence[str | Path],
    config: EvaluateConfig,
    *,
    client: object = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score prediction files of any kind against a screen or its effects.

    Parameters
    ----------
    predictions
        Files of `perturbridge predict`, mean profiles or cells; see `read_candidate`.
    config
        What was measured and what to compute.
    client
        A `dask.distributed.Client` or an executor: cells are summed, perturbations tested by rank and models scored on its workers; default
        this process. The result is the same to the last bit.
    progress
        Called with a stage, steps done and steps in all.

    Raises
    ------
    DataError
        If a file does not hold what is asked of it.
    """
    metrics = metrics_of_profile(config.profile, skip=config.skip)
    workers = as_workers(client)
    real, screen = _measured(config.real, client=workers, progress=progress)
    candidates = told_apart([read_candidate(path, real, client=workers) for path in predictions], predictions)
    if any("cells" in METRICS[name].needs for name in metrics):
        candidates = [_with_clouds(candidate, screen, seed=config.real.seed) for candidate in candidates]
    halves = None
    if config.ceiling:
        if screen is None:
            problem = f"{config.real.screen} holds effects, not cells, which cannot be halved."
            raise DataError(problem, cure="Pass the screen itself with --ceiling, or leave --ceiling out.")
        halves = half_effects(screen, seed=config.real.seed, client=workers)
    contrast = None
    if one_of("de_test", config.de_test, ("welch", "wilcoxon")) == "wilcoxon":
        candidates = [rank_tested(candidate, screen, seed=config.real.seed, client=workers) for candidate in candidates]
        contrast = _real_ranks(candidates, real, screen, seed=config.real.seed, client=workers)
    return evaluate_candidates(
        candidates,
        real.effects,
        train=_read_names(config.train_file) if config.train_file else None,
        metrics=metrics,
        halves=halves,
        contrast=contrast,
        seed=config.real.seed,
        client=workers,
        progress=None if progress is None else lambda done, total: progress("models", done, total),
    )


def _real_ranks(
    candidates: Sequence[Candidate], real: RealSide, screen: Screen | None, *, seed: int, client: object
) -> Contrast | None:
    if not candidates or screen is None:
        return None
    return real_rank_contrast(screen, real.effects, candidates[0].prediction.perturbations, seed=seed, client=client)


def _measured(config: RunConfig, *, client: object, progress: Progress | None) -> tuple[RealSide, Screen | None]:
    """Read effects that were written before, or sum a screen now."""
    column, control = config.perturbation or "", config.control or ()
    if config.screen.suffix == ".h5ad" and config.screen.is_file():
        try:
            effects = read_effects(config.screen)
        except DataError:
            # Not an effects file: a screen, whose own errors are the ones to show.
            pass
        else:
            return RealSide(effects=effects, column=column, control=control), None
    screen = load_screen(config)
    cells = None if progress is None else lambda done, total: progress("cells", done, total)
    side = RealSide(
        effects=load_effects(config, screen, client=client, progress=cells),
        screen=screen,
        column=column,
        control=screen.control_labels,
    )
    return side, screen


def _with_clouds(candidate: Candidate, screen: Screen | None, *, seed: int) -> Candidate:
    cells = candidate.cells
    if cells is None or candidate.screen is None or screen is None:
        return candidate
    clouds = paired_clouds(screen, candidate.screen, candidate.prediction.perturbations, seed=seed)
    return replace(candidate, cells=replace(cells, clouds=clouds))


def _read_names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{path} cannot be read as text: {error}."
        raise DataError(problem, cure="Pass a text file with one perturbation a line.") from error
    return [line.strip() for line in lines if line.strip()]


def write_evaluation(evaluation: Evaluation, out: str | Path, *, command: str = "", report: bool = True) -> None:
    """Write the long table to `.csv` or `.parquet`; or, to a folder, all there is.

    The folder holds `report.html`, `scores.parquet` (long), `results.csv` (perturbation × metric for each model, as cell-eval writes it),
    `agg_results.csv` (means with intervals), `comparison.csv` and `evaluation.json` (warnings, versions, command).

    Parameters
    ----------
    evaluation
        What to write.
    out
        A file name with one of the endings, or a folder, made where it is missing.
    command
        Kept in `evaluation.json` and the report.
    report
        Whether to draw `report.html`, which takes longer than all the scores of a small file.
    """
    path = Path(out)
    if path.suffix in (".csv", ".parquet"):
        write_scores(evaluation.scores, path)
        return
    path.mkdir(parents=True, exist_ok=True)
    write_scores(evaluation.scores, path / "scores.parquet")
    wide = to_frame(evaluation.scores).pivot_table(
        index=["model", "fold", "perturbation"], columns="metric", values="value", dropna=False, sort=False
    )
    wide = wide[[name for name in METRICS if name in wide.columns]].dropna(how="all")
    write_table(wide.reset_index(), path / "results.csv")
    write_table(evaluation.summary(), path / "agg_results.csv")
    comparison = evaluation.comparison()
    if comparison is not None:
        write_table(comparison, path / "comparison.csv")
    told = {
        "command": command,
        "environment": environment(workers=evaluation.workers),
        "models": evaluation.models,
        "baselines": evaluation.baselines,
        "findings": [finding.as_json() for finding in evaluation.findings],
        "headline": records(evaluation.headline()),
        "effects": evaluation.effects.fingerprint,
    }
    write_json(path / "evaluation.json", told)
    if report:
        # Imported here: figures are the dearest import of all.
        from ._evaluation_report import evaluation_report

        with atomic_file(path / "report.html") as temporary:
            temporary.write_text(evaluation_report(evaluation, command=command), encoding="utf-8")


def export_evaluation(evaluation: Evaluation, config: EvaluateConfig, out: str | Path, *, noise: str = "none") -> None:
    """Write each prediction as `MODEL.h5ad` of cells that cell-eval2 reads; see `write_cell_eval`.

    Parameters
    ----------
    evaluation
        What was scored.
    config
        Says where the screen is, whose control cells are written too.
    out
        A folder, made where it is missing.
    noise
        `"none"` or `"controls"`.

    Raises
    ------
    DataError
        If effects were given instead of a screen, or a name cannot be a file name.
    """
    folder, screen = Path(out), load_screen(config.real)
    folder.mkdir(parents=True, exist_ok=True)
    for i, candidate in enumerate(evaluation.candidates):
        plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in candidate.prediction.model).strip(".")
        write_cell_eval(
            candidate.prediction,
            evaluation.effects,
            folder / f"{plain or i}.h5ad",
            screen=screen,
            noise="controls" if one_of("noise", noise, ("none", "controls")) == "controls" else "none",
            seed=config.real.seed,
        )
