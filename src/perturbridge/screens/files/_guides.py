"""What a CELLxGENE file (schema 7) says about its guides: their role, and the genes that they hit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.values import Finding

from ._column import Column, as_texts, column_of_categories
from ._h5 import child, data_set
from ._node import is_group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._node import Group

__all__ = ["GUIDE_COLUMN", "guides_finding", "guides_of_file", "guides_of_uns", "named_by_guides"]

GUIDE_COLUMN = "genetic_perturbation_id"
_TABLE = "genetic_perturbations"
_FEATURES = ("derived_features", "target_features")
_JOINT = " || "


def guides_of_file(file: Group) -> dict[str, str]:
    """Return guide ▸ what it stands for: `control`, or the id of the one gene it hits; others are left out."""
    table = file.get(f"uns/{_TABLE}")
    if not is_group(table):
        return {}
    found = {}
    for guide in table:
        entry = child(table, guide)
        features: tuple[str, ...] = next((tuple(entry[part]) for part in _FEATURES if is_group(entry.get(part))), ())
        found[guide] = _meaning(_text(entry, "role"), features)
    return {guide: meaning for guide, meaning in found.items() if meaning}


def guides_of_uns(uns: Mapping[str, Any]) -> dict[str, str]:
    """Return the same from an AnnData object."""
    table = uns.get(_TABLE, {})
    found = {
        guide: _meaning(str(entry.get("role", "")), next((tuple(entry[p]) for p in _FEATURES if p in entry), ()))
        for guide, entry in table.items()
    }
    return {guide: meaning for guide, meaning in found.items() if meaning}


def _meaning(role: str, features: tuple[str, ...]) -> str:
    if role == "control":
        return "control"
    # A guide in two overlapping genes does not tell which was meant; its own name may.
    return features[0] if len(features) == 1 else ""


def _text(group: Group, name: str) -> str:
    if name not in group:
        return ""
    return as_texts(np.asarray(data_set(group, name)[()]).reshape(1), name=name)[0]


def named_by_guides(column: Column, guides: Mapping[str, str]) -> Column:
    """Return the column with what its guides stand for in their place."""
    labels = ["+".join(guides.get(guide, guide) for guide in label.split(_JOINT)) for label in column.labels]
    return column_of_categories(column.name, labels, column.codes)


def guides_finding(guides: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return that the file itself names roles and targets, or nothing where it does not."""
    if not guides:
        return ()
    n_controls = sum(meaning == "control" for meaning in guides.values())
    message = f"The file itself says what its guides are: {n_controls} controls, {len(guides) - n_controls} that hit one gene."
    return (Finding(level="info", code="guides_named", message=message, count=len(guides)),)
