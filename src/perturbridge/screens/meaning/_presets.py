"""Where public screens keep their labels: a table of records, and the column names that detection looks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perturbridge._checks import one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CONTEXT_NAMES",
    "FLAG_NAMES",
    "PERTURBATION_NAMES",
    "PRESETS",
    "SAMPLE_NAMES",
    "STATE_NAMES",
    "Preset",
    "find_columns",
    "preset_named",
]


@dataclass(frozen=True)
class Preset:
    """Columns and control labels of one family of files.

    Parameters
    ----------
    name
        What the user types.
    about
        Which files it is for.
    perturbation
        Columns of the perturbation labels, the first that exists is taken.
    controls
        Labels that are controls, those that occur are taken; empty: every usual spelling.
    context, sample, state
        Columns of the groupings, the first that exists is taken.
    """

    name: str
    about: str
    perturbation: tuple[str, ...]
    controls: tuple[str, ...] = ()
    context: tuple[str, ...] = ("gemgroup", "batch")
    sample: tuple[str, ...] = ("donor", "donor_id", "patient", "replicate")
    state: tuple[str, ...] = ("cell_type", "celltype")


PRESETS = (
    Preset("gears", "GEARS perturb_processed.h5ad: A+ctrl, A+B, ctrl", ("condition",), ("ctrl",)),
    Preset(
        "scperturb",
        "scPerturb: A, A_B, control",
        ("perturbation",),
        ("control",),
        context=("gemgroup", "batch", "library", "lane", "replicate"),
    ),
    Preset("replogle", "Replogle 2022: gene, gem_group, non-targeting", ("gene",), ("non-targeting",)),
    Preset(
        "norman",
        "Norman 2019: A_B__A_B or A_NegCtrl0__A_NegCtrl0 in guide_identity, or A+B in a curated copy",
        ("guide_identity", "perturbation_name", "guide_ids", "perturbation", "condition"),
    ),
    Preset("vcc", "Virtual Cell Challenge: target_gene, batch, non-targeting", ("target_gene",), ("non-targeting",)),
)

# Compared without case and punctuation; the order decides between columns that say the same.
PERTURBATION_NAMES = (
    "condition",
    "perturbation",
    "target_gene",
    "gene_target",
    "target",
    "gene",
    "perturbed_gene",
    "perturbed_gene_name",
    "target_gene_name",
    "perturbation_name",
    "perturbation_target",
    "guide_target",
    "grna_target",
    "sgrna_target",
    "guide_identity",
    "genetic_perturbation",
    "genetic_perturbation_id",
    "perturbations",
    "perturbed_genes",
    "target_genes",
    "targets",
    "genes",
    "pert",
    "knockout",
    "knockdown",
)
CONTEXT_NAMES = (
    "context",
    "gem_group",
    "gem",
    "batch",
    "batch_id",
    "sequencing_batch",
    "batch_var",
    "lane",
    "lane_id",
    "channel",
    "chip",
    "library",
    "library_id",
    "plate",
    "pool",
    "run",
    "experiment",
    "cell_line",
)
SAMPLE_NAMES = (
    "donor",
    "donor_id",
    "patient",
    "patient_id",
    "individual",
    "subject",
    "mouse",
    "bio_rep",
    "biological_replicate",
    "replicate",
    "rep",
    "sample",
    "sample_id",
)
STATE_NAMES = ("state", "cell_type", "celltype", "cell_state", "phase", "cell_cycle", "cell_cycle_phase")
FLAG_NAMES = ("is_control", "control", "is_ctrl", "is_non_targeting", "nontargeting")


def preset_named(name: str) -> Preset:
    """Return a preset.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    one_of("preset", name, [preset.name for preset in PRESETS])
    return next(preset for preset in PRESETS if preset.name == name)


def find_columns(columns: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the columns that bear one of the wanted names, in the order of the wanted names, case and punctuation aside."""
    by_key: dict[str, list[str]] = {}
    for column in columns:
        by_key.setdefault(_key(column), []).append(column)
    return list(dict.fromkeys(column for name in wanted for column in by_key.get(_key(name), ())))


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
