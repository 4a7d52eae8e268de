"""Which matrix of a file to use: counts before logarithms, unless the user says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from perturbridge.errors import DataError
from perturbridge.screens.files._joined import Joined
from perturbridge.values import Normalization

from ._presets import find_columns
from ._scale import Judgment, judge

if TYPE_CHECKING:
    from perturbridge.screens.files._container import Container

__all__ = ["ChosenPlace", "choose_place"]

ValuesAre = Literal["counts", "log1p"]
_COUNT_LAYERS = ("counts", "raw_counts", "count", "raw", "umi", "umis", "umi_counts")


@dataclass(frozen=True, kw_only=True)
class ChosenPlace:
    """The matrix to use and why.

    Parameters
    ----------
    normalization
        What its values are.
    explanation
        One sentence.
    total
        Library size that the logarithms were taken at, 0 where it cannot be seen.
    """

    normalization: Normalization
    explanation: str
    total: float = 0.0


@dataclass
class _Places:
    """Judgments of the places of a container, each made once and only when it is asked for."""

    container: Container
    made: dict[str, Judgment] = field(default_factory=dict)

    def judge(self, place: str) -> Judgment:
        if place not in self.made:
            logged = place == "X" and self.container.logged
            named = self.container.source(place, gene_names=self.container.gene_names(place))
            self.made[place] = self._files_apart(place) or judge(named, logged=logged)
        return self.made[place]

    def _files_apart(self, place: str) -> Judgment | None:
        """Return that the files of one screen hold different things at a place, or None where they agree."""
        if not isinstance(self.container, Joined):
            return None
        parts = self.container.parts
        kinds = [judge(part.source(place), logged=place == "X" and part.logged).kind for part in parts]
        other = next((i for i, kind in enumerate(kinds) if kind not in (kinds[0], "empty")), None)
        if kinds[0] == "empty" or other is None:
            return None
        problem = f"{place} of {parts[other].name!r} holds {kinds[other]} values and that of {parts[0].name!r} {kinds[0]} values."
        error = DataError(problem, cure="Store the same in all files, or name a place where they do (place=).")
        return Judgment(kind="unusable", evidence=problem, error=error)

    def first(self, places: list[str], *kinds: str) -> str | None:
        return next((place for place in places if self.judge(place).kind in kinds), None)


def choose_place(
    container: Container, *, place: str | None = None, x_is: ValuesAre | None = None, target_sum: float = 1e4
) -> ChosenPlace:
    """Return the matrix to use: a layer of counts, then raw/X, then X; the first that holds counts, else X as log1p.

    Parameters
    ----------
    container
        The file.
    place
        `"X"`, `"raw/X"`, `"layers/NAME"` or the bare name of a layer; only this one is looked at.
    x_is
        What the values are said to be; must not contradict what they look like.
    target_sum
        Counts per cell after scaling.

    Raises
    ------
    DataError
        If the place does not exist, the values contradict `x_is`, or no place holds counts or log1p values.
    """
    places = _Places(container)
    by_counts, by_log = _orders(container, place)
    if x_is == "counts":
        return _as_counts(places, by_counts, target_sum=target_sum)
    if x_is == "log1p":
        return _as_log1p(places, by_log, target_sum=target_sum)
    counts = places.first(by_counts, "counts", "empty")
    if counts is not None:
        return _chosen(places, counts, kind="counts", target_sum=target_sum)
    logs = places.first(by_log, "log1p")
    if logs is not None:
        return _chosen(places, logs, kind="log1p", target_sum=target_sum)
    raise _no_values(places, by_log[0])


def _orders(container: Container, place: str | None) -> tuple[list[str], list[str]]:
    """Places to try for counts and for logarithms."""
    there = list(container.places())
    if place is not None:
        found = next((p for p in (place, f"layers/{place}", f"{place}/X") if p in there), None)
        if found is None:
            problem = f"{container.name} has no matrix at {place!r}."
            raise DataError(problem, cure=f"Use one of {', '.join(repr(p) for p in there)}.")
        return [found], [found]
    layers = [p.removeprefix("layers/") for p in there if p.startswith("layers/")]
    named = [f"layers/{name}" for name in find_columns(layers, _COUNT_LAYERS)]
    main: list[str] = [p for p in ("raw/X", "X") if p in there]
    return named + main or there, main[::-1] or there


def _chosen(places: _Places, place: str, *, kind: ValuesAre, target_sum: float) -> ChosenPlace:
    judgment = places.judge(place)
    total = judgment.total if kind == "log1p" else 0.0
    unseen = "" if total else f" and taken to be per {target_sum:,.0f} counts, which these genes alone cannot show"
    what = "counts" if kind == "counts" else f"log1p values, taken as they are{unseen}"
    passed = [p for p, j in places.made.items() if p != place and j.kind != "counts"]
    aside = f"; passed over {', '.join(f'{p} ({places.made[p].kind})' for p in passed)}" if passed else ""
    normalization = Normalization(
        kind=kind, place=place, target_sum=round(total) if total else target_sum, evidence=judgment.evidence
    )
    return ChosenPlace(
        normalization=normalization,
        explanation=f"Values: {place} holds {what} ({judgment.evidence}){aside}.",
        total=total,
    )


def _as_counts(places: _Places, order: list[str], *, target_sum: float) -> ChosenPlace:
    place = places.first(order, "counts", "empty") or places.first(order, "mixed", "linear")
    if place is not None:
        return _chosen(places, place, kind="counts", target_sum=target_sum)
    judgment = places.judge(order[-1])
    if judgment.error is not None:
        raise judgment.error
    problem = f"{order[-1]} of {places.container.name} was said to hold counts, but looks like {judgment.kind} values ({judgment.evidence})."
    raise DataError(
        problem, cure=_name_the_layer(places, 'Say x_is="log1p"' if judgment.kind == "log1p" else "Undo the logarithm")
    )


def _name_the_layer(places: _Places, cure: str) -> str:
    holders = [p for p in places.container.places() if places.judge(p).kind == "counts"]
    if holders:
        return f"{cure}, or place={holders[0]!r}, which holds counts."
    return f"{cure}, or name the place that holds counts (places: {', '.join(places.container.places())})."


def _as_log1p(places: _Places, order: list[str], *, target_sum: float) -> ChosenPlace:
    place = places.first(order, "log1p", "empty")
    if place is not None:
        return _chosen(places, place, kind="log1p", target_sum=target_sum)
    judgment = places.judge(order[0])
    if judgment.error is not None:
        raise judgment.error
    problem = f"{order[0]} of {places.container.name} was said to hold log1p values, but looks like {judgment.kind} values ({judgment.evidence})."
    raise DataError(problem, cure='Say x_is="counts", or leave x_is out.')


def _no_values(places: _Places, place: str) -> DataError:
    judgment = places.judge(place)
    if judgment.error is not None:
        return judgment.error
    problem = f"{place} of {places.container.name} holds neither counts nor log1p values: they look {judgment.kind} ({judgment.evidence})."
    if judgment.kind == "log2":
        return DataError(problem, cure="Divide the values by log2(e) = 1.4427 to get log1p, or store the counts.")
    return DataError(
        problem,
        cure='Say x_is="counts" to scale each cell to the target sum and take log1p, or name the place that holds counts.',
    )
