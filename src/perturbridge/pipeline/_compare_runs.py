"""Runs side by side: who is better, by how much, and where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from perturbridge.embeddings._gene_sets import read_gmt
from perturbridge.errors import DataError
from perturbridge.evaluation import HEADLINE, METRICS, compare, read_scores, summarize, to_frame
from perturbridge.screens import read_effects
from perturbridge.values import PerturbationName, ScoreTable

from ._manifest import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perturbridge.values import Effects

__all__ = ["RunComparison", "compare_runs"]

_THIRDS = ("weakest third", "middle third", "strongest third")


@dataclass(frozen=True, eq=False, kw_only=True)
class RunComparison:
    """Models of several runs on the perturbations that all of them held out.

    Parameters
    ----------
    models
        Names in the order of the runs; the first is what the others are compared with.
    scores
        Long table of the models on their common perturbations.
    comparison
        Paired differences of each other model from the first, with intervals and p-values corrected over all of them.
    where
        Mean difference by part of the perturbations: `model`, `metric`, `by`, `part`, `n`, `difference`, `low`, `high`.
    notes
        What was left out.
    """

    models: tuple[str, ...]
    scores: ScoreTable
    comparison: pd.DataFrame
    where: pd.DataFrame
    notes: tuple[str, ...]

    def summary(self) -> pd.DataFrame:
        """Return mean and interval for each model and metric."""
        return summarize(self.scores)


def compare_runs(folders: Sequence[str | Path], *, gene_sets: str | Path | None = None, seed: int = 0) -> RunComparison:
    """Compare the models of run folders, perturbation by perturbation.

    Parameters
    ----------
    folders
        Two or more folders of `perturbridge run`, of the same screen.
    gene_sets
        A .gmt file; perturbations of the members of a set are a part of their own.
    seed
        Draws the bootstrap.

    Raises
    ------
    DataError
        If there are fewer than two, they share no held-out perturbation, or are of different screens.
    """
    if len(folders) < 2:
        problem = f"{len(folders)} runs to compare."
        raise DataError(problem, cure="Pass two run folders or more.")
    paths = [Path(folder) for folder in folders]
    manifests = [read_json(path / "manifest.json") for path in paths]
    prints = {str(manifest["screen"]["fingerprint"]) for manifest in manifests}
    if len(prints) > 1:
        problem = f"The runs are of {len(prints)} different screens or readings of one."
        raise DataError(problem, cure="Compare runs of the same screen, read with the same settings.")
    names = _names(paths, [str(manifest["model"]["name"]) for manifest in manifests])
    tables = [
        _own(read_scores(path / "scores.parquet"), str(m["model"]["name"]))
        for path, m in zip(paths, manifests, strict=True)
    ]
    common, notes = _common(tables, names)
    kept = [_renamed(table, name, common) for table, name in zip(tables, names, strict=True)]
    scores = ScoreTable.join(kept)
    effects = read_effects(paths[0] / "effects.h5ad")
    parts = _parts(effects, manifests[0], common, gene_sets=_members(gene_sets))
    return RunComparison(
        models=names,
        scores=scores,
        comparison=compare(scores, model=names[1:], baselines=names[:1], seed=seed),
        where=_where(scores, names, parts, seed=seed),
        notes=notes,
    )


def _names(paths: Sequence[Path], models: Sequence[str]) -> tuple[str, ...]:
    """Names of models, told apart by the folder, and by the whole path where that does not do."""
    if len(set(models)) == len(models):
        return tuple(models)
    short = [f"{model} ({path.name})" for path, model in zip(paths, models, strict=True)]
    if len(set(short)) == len(short):
        return tuple(short)
    return tuple(f"{model} ({path})" for path, model in zip(paths, models, strict=True))


def _own(table: ScoreTable, model: str) -> ScoreTable:
    return _taken(table, table.model == model)


def _taken(table: ScoreTable, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> ScoreTable:
    columns = {name: column[rows] for name, column in table.columns().items()}
    return replace(table, **columns)  # type: ignore[arg-type]


def _common(tables: Sequence[ScoreTable], names: Sequence[str]) -> tuple[set[str], tuple[str, ...]]:
    held_out = [set(table.perturbation.tolist()) for table in tables]
    common = set.intersection(*held_out)
    if len(common) < 2:
        problem = f"The runs share {len(common)} held-out perturbations."
        raise DataError(problem, cure="Compare runs that held out the same perturbations.")
    notes = [
        f"{len(own - common)} perturbations of {name} were not held out by every run and are left out."
        for own, name in zip(held_out, names, strict=True)
        if own - common
    ]
    if len({table.split_hash for table in tables}) > 1:
        notes.append(
            "The runs are on different splits: a model may have been trained on perturbations that another held out in the same fold, and "
            "discrimination scores come from different panels."
        )
    return common, tuple(notes)


def _renamed(table: ScoreTable, name: str, common: set[str]) -> ScoreTable:
    """One score for each perturbation and metric, its folds and repeats averaged, so that runs on different folds pair up."""
    frame = to_frame(_taken(table, np.isin(table.perturbation, list(common))))
    # As rivals, perturbations stand above or below their own panel.
    frame["as_rival"] -= frame.groupby(["fold", "metric"], sort=False)["as_rival"].transform("mean")
    means = frame.groupby(["perturbation", "metric"], sort=True)[["value", "as_rival"]].mean()
    mean = means["value"]
    n_cells = frame.groupby("perturbation")["n_cells"].first()
    perturbation = mean.index.get_level_values(0).to_numpy(dtype=np.str_)
    n = len(mean)
    return ScoreTable(
        model=np.full(n, name),
        fold=np.full(n, "all"),
        perturbation=perturbation,
        stratum=np.full(n, ""),
        metric=mean.index.get_level_values(1).to_numpy(dtype=np.str_),
        status=np.full(n, "predicted"),
        value=mean.to_numpy(dtype=np.float64),
        n_cells=n_cells.loc[perturbation.tolist()].to_numpy(dtype=np.int64),
        as_rival=means["as_rival"].to_numpy(dtype=np.float64),
    )


def _parts(
    effects: Effects,
    manifest: Mapping[str, object],
    common: set[str],
    *,
    gene_sets: Mapping[str, set[str]],
) -> list[tuple[str, str, set[str]]]:
    """Parts of the perturbations to look at apart: (by, part, members)."""
    size = {str(p): float(np.sqrt((d**2).mean())) for p, d in zip(effects.perturbations, effects.delta, strict=True)}
    out = [("effect size", part, names) for part, names in _thirds(size, common)]
    listed = manifest.get("perturbations")
    if isinstance(listed, list):
        far = {str(row["perturbation"]): row["distance"] for row in listed if row.get("distance") is not None}
        words = ("nearest third", "middle third", "farthest third")
        out += [
            ("distance to training", word, names) for word, (_, names) in zip(words, _thirds(far, common), strict=False)
        ]
    for name, genes in gene_sets.items():
        members = {p for p in common if set(PerturbationName.parse(p).genes) & genes}
        if len(members) > 1:
            out.append(("gene set", name, members))
    return out


def _members(gene_sets: str | Path | None) -> dict[str, set[str]]:
    if gene_sets is None:
        return {}
    frame = read_gmt(gene_sets)
    return {str(term): {str(gene) for gene in rows} for term, rows in frame.groupby("term", sort=False)["gene"]}


def _thirds(values: Mapping[str, float], common: set[str]) -> list[tuple[str, set[str]]]:
    known = sorted((p for p in common if p in values), key=lambda p: (values[p], p))
    if len(known) < 6:
        return []
    return [(word, set(part.tolist())) for word, part in zip(_THIRDS, np.array_split(np.array(known), 3), strict=True)]


def _where(
    scores: ScoreTable, names: Sequence[str], parts: Sequence[tuple[str, str, set[str]]], *, seed: int
) -> pd.DataFrame:
    metrics = [metric for metric in HEADLINE if metric in set(scores.metric.tolist())]
    shown = _taken(scores, np.isin(scores.metric, metrics))
    frames = []
    for by, part, members in parts:
        own = _taken(shown, np.isin(shown.perturbation, list(members)))
        frame = compare(own, model=names[1:], baselines=names[:1], seed=seed, n_resamples=2000)
        frame = frame[["model", "metric", "n", "difference", "low", "high"]].copy()
        frame.insert(2, "by", by)
        frame.insert(3, "part", part)
        frames.append(frame)
    columns = ["model", "metric", "by", "part", "n", "difference", "low", "high"]
    if not frames:
        return pd.DataFrame(columns=columns)
    joined = pd.concat(frames, ignore_index=True)
    order = {name: i for i, name in enumerate(METRICS)}
    return joined.sort_values(["metric", "by"], key=lambda c: c.map(order) if c.name == "metric" else c, kind="stable")
