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
    "plotting",
    "report",
    "pipeline",
    "tl",
    "pl",
)
