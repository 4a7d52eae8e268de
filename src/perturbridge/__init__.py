"""Predict the effects of gene perturbations nobody has measured, and say how far to trust the answer.

>>> import perturbridge as pb
>>> screen = pb.simulate.screen(n_perturbations=12, n_genes=60, seed=1).screen
>>> effects = pb.pseudobulk(screen)
>>> effects.delta.shape
(12, 60)
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perturbridge import pl, tl
    from perturbridge.audit import AuditSettings, audit_latent, audit_latents, repair_latent
    from perturbridge.effects import (
        EffectModel,
        GenePert,
        RegressorModel,
        TrainingResponses,
        coexpression_embedding,
        default_baselines,
        enrich,
        response_embedding,
    )
    from perturbridge.embeddings import (
        convert_embedding,
        coverage,
        open_embedding,
        read_aliases,
        read_embedding,
        write_embedding,
    )
    from perturbridge.errors import PerturbridgeError
    from perturbridge.evaluation import compare, score, summarize
    from perturbridge.latent import LatentModel
    from perturbridge.pipeline import (
        RunConfig,
        align_data,
        audit_data,
        cross_validate,
        evaluate,
        predict,
        predict_cells,
        read_audit,
        repair_audited,
        run,
    )
    from perturbridge.response import ResponseModel
    from perturbridge.screens import (
        cells_to_anndata,
        describe_screen,
        make_split,
        pseudobulk,
        read_effects,
        read_prediction,
        read_screen,
        read_split,
        simulate,
        write_cells,
        write_effects,
        write_prediction,
        write_screen,
        write_split,
    )
    from perturbridge.transport import (
        AlignmentSettings,
        align_latent,
        confounder_matched,
        read_alignment,
        synergy,
        write_alignment,
    )
    from perturbridge.values import (
        Alignment,
        AuditReport,
        Effects,
        GeneEmbedding,
        Latent,
        PerturbationName,
        Prediction,
        Screen,
        Split,
    )

__all__ = [
    "Alignment",
    "AlignmentSettings",
    "AuditReport",
    "AuditSettings",
    "EffectModel",
    "Effects",
    "GeneEmbedding",
    "GenePert",
    "Latent",
    "LatentModel",
    "PerturbationName",
    "PerturbridgeError",
    "Prediction",
    "RegressorModel",
    "ResponseModel",
    "RunConfig",
    "Screen",
    "Split",
    "TrainingResponses",
    "__version__",
    "align_data",
    "align_latent",
    "audit_data",
    "audit_latent",
    "audit_latents",
    "cells_to_anndata",
    "coexpression_embedding",
    "compare",
    "confounder_matched",
    "convert_embedding",
    "coverage",
    "cross_validate",
    "default_baselines",
    "describe_screen",
    "enrich",
    "evaluate",
    "make_split",
    "open_embedding",
    "pl",
    "predict",
    "predict_cells",
    "pseudobulk",
    "read_aliases",
    "read_alignment",
    "read_audit",
    "read_effects",
    "read_embedding",
    "read_prediction",
    "read_screen",
    "read_split",
    "repair_audited",
    "repair_latent",
    "response_embedding",
    "run",
    "score",
    "simulate",
    "summarize",
    "synergy",
    "tl",
    "write_alignment",
    "write_cells",
    "write_effects",
    "write_embedding",
    "write_prediction",
    "write_screen",
    "write_split",
]

# Each name is imported when it is first asked for, so that `import perturbridge` costs next to nothing.
_HOMES = MappingProxyType(
    {
        **dict.fromkeys(("AuditSettings", "audit_latent", "audit_latents", "repair_latent"), "audit"),
        **dict.fromkeys(
            (
                "EffectModel",
                "GenePert",
                "RegressorModel",
                "TrainingResponses",
                "coexpression_embedding",
                "default_baselines",
                "enrich",
                "response_embedding",
            ),
            "effects",
        ),
        **dict.fromkeys(
            ("convert_embedding", "coverage", "open_embedding", "read_aliases", "read_embedding", "write_embedding"),
            "embeddings",
        ),
        "PerturbridgeError": "errors",
        "ResponseModel": "response",
        **dict.fromkeys(("compare", "score", "summarize"), "evaluation"),
        "LatentModel": "latent",
        **dict.fromkeys(
            (
                "RunConfig",
                "align_data",
                "audit_data",
                "cross_validate",
                "evaluate",
                "predict",
                "predict_cells",
                "read_audit",
                "repair_audited",
                "run",
            ),
            "pipeline",
        ),
        **dict.fromkeys(
            (
                "cells_to_anndata",
                "describe_screen",
                "make_split",
                "pseudobulk",
                "read_effects",
                "read_prediction",
                "read_screen",
                "read_split",
                "simulate",
                "write_cells",
                "write_effects",
                "write_prediction",
                "write_screen",
                "write_split",
            ),
            "screens",
        ),
        **dict.fromkeys(
            (
                "AlignmentSettings",
                "align_latent",
                "confounder_matched",
                "read_alignment",
                "synergy",
                "write_alignment",
            ),
            "transport",
        ),
        **dict.fromkeys(
            (
                "Alignment",
                "AuditReport",
                "Effects",
                "GeneEmbedding",
                "Latent",
                "PerturbationName",
                "Prediction",
                "Screen",
                "Split",
            ),
            "values",
        ),
    }
)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("perturbridge")
    if name in ("pl", "tl"):
        return import_module(f"perturbridge.{name}")
    if name not in _HOMES:
        message = f"module 'perturbridge' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"perturbridge.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
