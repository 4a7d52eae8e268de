"""The rooms whose public names are held to the rules of the house."""

ROOMS = (
    "values",
    "numerics",
    "screens",
    "embeddings",
    "effects",
    "evaluation",
    "audit",
    "latent",
    "injection",
    "workers",
    "transport",
    "response",
    "plotting",
    "report",
    "pipeline",
    "tl",
    "pl",
)
