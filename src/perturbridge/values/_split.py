"""A split: which perturbations train and which test, by name alone, with a hash that travels with everything fitted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from perturbridge._checks import unique_names
from perturbridge.errors import DataError, LeakageError

from ._names import PerturbationName, as_names

__all__ = ["Fold", "Split"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Fold:
    """One division into training and test perturbations.

    Parameters
    ----------
    name
        Unique within the split.
    train, test
        Disjoint perturbations.
    strata
        For each test perturbation a label to report by, such as `"1/2 seen"`; empty where there is none.
    held_out
        Levels of `Split.by` whose cells are the test cells, all others being training cells; a perturbation may then stand on
        both sides. Empty where perturbations alone are divided.
    """

    name: str
    train: tuple[PerturbationName, ...]
    test: tuple[PerturbationName, ...]
    strata: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "train", as_names(self.train))
        object.__setattr__(self, "test", as_names(self.test))
        object.__setattr__(self, "held_out", unique_names(f"held-out levels of fold {self.name!r}", self.held_out))
        both = sorted(set(self.train) & set(self.test))
        if both and not self.held_out:
            problem = (
                f"Fold {self.name!r} trains and tests on the same {len(both)} perturbations, the first is {both[0]}."
            )
            raise LeakageError(problem, cure="Put each perturbation on one side.")
        if not self.train or not self.test:
            problem = f"Fold {self.name!r} has {len(self.train)} training and {len(self.test)} test perturbations."
            raise DataError(problem, cure="Use fewer folds or more perturbations.")
        if self.strata and len(self.strata) != len(self.test):
            problem = f"Fold {self.name!r} has {len(self.strata)} strata for {len(self.test)} test perturbations."
            raise DataError(problem, cure="Give one stratum per test perturbation, or none.")


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """Folds with their recipe.

    Parameters
    ----------
    kind
        `"perturbation"` (k folds over all perturbations), `"combination"` (0/1/2 genes of a pair seen), `"similarity"`,
        `"context"`, `"sample"`, or a user's own.
    seed
        What drew it.
    folds
        Each with a unique name.
    by
        Column whose levels are held out, empty where perturbations alone are divided.
    """

    kind: str
    seed: int
    folds: tuple[Fold, ...]
    by: str = ""

    def __post_init__(self) -> None:
        names = [fold.name for fold in self.folds]
        if not names or len(set(names)) != len(names):
            problem = f"A split needs folds with unique names, got {names}."
            raise DataError(problem, cure="Name each fold once.")
        odd = next((fold.name for fold in self.folds if bool(fold.held_out) != bool(self.by)), None)
        if odd is not None:
            problem = f"Fold {odd!r} and the split disagree on whether cells are held out by a column ({self.by or 'none'!r})."
            raise DataError(problem, cure="Give the column and, for each fold, its held-out levels; or neither.")

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types; `from_json` reads them back to the same hash."""
        folds = [
            {
                "name": f.name,
                "train": [str(p) for p in f.train],
                "test": [str(p) for p in f.test],
                "strata": list(f.strata),
                **({"held_out": list(f.held_out)} if f.held_out else {}),
            }
            for f in self.folds
        ]
        # Absent where empty, so that splits of perturbations keep the hash they have always had.
        return {"kind": self.kind, "seed": self.seed, "folds": folds, **({"by": self.by} if self.by else {})}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Split:
        """Build a split from `as_json`.

        Raises
        ------
        DataError
            If a field is missing or of the wrong type.
        """
        try:
            folds = tuple(
                Fold(
                    name=str(f["name"]),
                    train=as_names(f["train"]),
                    test=as_names(f["test"]),
                    strata=tuple(str(s) for s in f.get("strata", ())),
                    held_out=tuple(str(level) for level in f.get("held_out", ())),
                )
                for f in data["folds"]
            )
            return cls(kind=str(data["kind"]), seed=int(data["seed"]), folds=folds, by=str(data.get("by", "")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"This is not a split: {type(error).__name__} at {error}."
            raise DataError(
                problem, cure="Use a split.json written by perturbridge: kind, seed, folds of name, train, test."
            ) from error

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the canonical JSON, 64 hex digits."""
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()
