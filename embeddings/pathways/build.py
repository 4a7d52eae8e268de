"""Build `pathways.safetensors`: which Reactome pathways and MSigDB Hallmark sets a gene is in, in 128 dimensions.

python embeddings/pathways/build.py --gmt reactome2016.gmt --gmt msigdb_hallmark.gmt --out pathways.safetensors
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from perturbridge.embeddings import build_from_gmt, write_embedding
from perturbridge.values import EmbeddingCard

CARD = EmbeddingCard(
    name="pathways",
    description="Reactome pathways and MSigDB Hallmark sets of 10,166 human genes, TF-IDF of membership, SVD to 128 dimensions",
    source=(
        "Reactome 2016 (https://reactome.org) by way of Enrichr; Hallmark gene sets of MSigDB, Liberzon et al. 2015, "
        "doi:10.1016/j.cels.2015.12.004"
    ),
    license="CC-BY-4.0",
    date="2016",
)


def main() -> None:
    """Build and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gmt", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    embedding = build_from_gmt(options.gmt, n_dims=128, name="pathways", card=CARD)
    for finding in embedding.findings:
        print(f"{finding.level}: {finding.message} ({finding.count}, first {finding.example})")
    # Weighed here and told in the card; for those who open the table there is nothing to look into.
    write_embedding(replace(embedding, findings=()), options.out, storage="float16")
    print(f"{len(embedding.genes)} genes, {embedding.n_dims} dimensions, {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
