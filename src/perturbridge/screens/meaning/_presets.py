"""Where public screens keep their labels: a table of records, and the column names that detection looks for."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge._checks import one_of
from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CONTEXT_NAMES",
    "FLAG_NAMES",
    "GUIDE_NAMES",
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
    Preset(
        "vcc",
        "Virtual Cell Challenge, STATE and cell-load: target_gene, batch or batch_var, non-targeting",
        ("target_gene", "target", "gene"),
        ("non-targeting",),
        context=("batch", "batch_var", "gem_group"),
    ),
    Preset(
        "xaira",
        "X-Atlas (Orion, Pisces): perturbation or gene_target, non-targeting or is_control, Ensembl ids, X may be log1p",
        ("perturbation", "gene_target"),
        context=("gem_group", "sample", "batch"),
        state=("cell_type", "cell_line", "context"),
    ),
    Preset(
        "frangieh",
        "Frangieh 2021: sgRNA lists A_1,B_3, controls NO_SITE_… and ONE_NON-GENE_SITE_…, co-culture conditions apart",
        ("sgRNA", "sgRNAs", "guide_id", "perturbation"),
        ("non-targeting", "intergenic"),
        context=("perturbation_2", "condition", "treatment", "library"),
    ),
    Preset(
        "perturbench",
        "PerturBench: condition A+B, control, covariates cell_type, cell_line or treatment",
        ("condition",),
        ("control",),
        context=("gem_group", "gemgroup", "batch", "dataset", "cell_line"),
        state=("cell_type", "cell_line", "treatment"),
    ),
    Preset(
        "cellxgene",
        "CELLxGENE schema 7: genetic_perturbation_id (guides joined by ||, na), roles and targets in uns",
        ("genetic_perturbation_id",),
        context=("batch", "library_id", "sample_id", "suspension_uuid"),
        sample=("donor_id",),
        state=("cell_type",),
    ),
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
# Asked only where no column above can be used: a guide names a gene and more.
GUIDE_NAMES = (
    "guide",
    "guides",
    "guide_id",
    "guide_ids",
    "guide_name",
    "guide_call",
    "guide_assignment",
    "feature_call",
    "grna",
    "grnas",
    "grna_id",
    "sgrna",
    "sgrnas",
    "sgrna_id",
    "sgid",
    "sgid_ab",
    "protospacer",
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
    "file",
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


def preset_named(name: str | Path) -> Preset:
    """Return a preset of the table, or one of the user's own from a TOML file.

    The file has the fields of `Preset`; `perturbation` is needed, the others may be left out, and one text stands for a list of one.

    Raises
    ------
    DataError
        If there is none of that name, or the file is missing, is not TOML, or has an unknown or unfit field.
    """
    if str(name).endswith(".toml"):
        return _from_toml(Path(name))
    one_of("preset", str(name), [preset.name for preset in PRESETS])
    return next(preset for preset in PRESETS if preset.name == name)


def _from_toml(path: Path) -> Preset:
    cure = "A preset has perturbation = ['COLUMN', …] and may have name, about, controls, context, sample, state."
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = f"{path} cannot be read as TOML: {error}."
        raise DataError(problem, cure=cure) from error
    lists = [field.name for field in fields(Preset) if field.name not in ("name", "about")]
    unknown = [key for key in told if key not in (*lists, "name", "about")]
    if unknown or "perturbation" not in told:
        what = f"an unknown field {unknown[0]!r}" if unknown else "no field 'perturbation'"
        problem = f"{path} has {what}."
        raise DataError(problem, cure=cure)
    given = {key: (value,) if isinstance(value, str) else value for key, value in told.items() if key in lists}
    unfit = next(
        (k for k, v in given.items() if not isinstance(v, list | tuple) or not all(isinstance(t, str) for t in v)), None
    )
    if unfit is not None:
        problem = f"{path} has {told[unfit]!r} under {unfit!r}, expected a text or a list of texts."
        raise DataError(problem, cure=cure)
    return Preset(
        name=str(told.get("name", path.stem)),
        about=str(told.get("about", "")),
        **{key: tuple(value) for key, value in given.items()},
    )


def find_columns(columns: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the columns that bear one of the wanted names, in the order of the wanted names, case and punctuation aside."""
    by_key: dict[str, list[str]] = {}
    for column in columns:
        by_key.setdefault(_key(column), []).append(column)
    return list(dict.fromkeys(column for name in wanted for column in by_key.get(_key(name), ())))


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
