"""Gene embeddings: read safely from any usual file, named, joined, converted, built.

Takes: embedding files (pickle, .pt, npy, npz, parquet, csv, tsv, h5ad, safetensors, folders), gene-term tables, gene sets, texts, protein sequences.
Gives: `GeneEmbedding` records, coverage tables, converted files.
Depends on: numpy, scipy, pandas, pyarrow, safetensors; h5py, zarr and torch only to read .h5ad, zarr and .pt;
the extra `embed` (transformers, sentence-transformers) only to build from texts and proteins.
"""

from __future__ import annotations

from ._aliases import read_aliases
from ._build import build_from_gmt, build_from_terms
from ._build_protein import build_from_fasta
from ._build_text import build_from_text
from ._combine import concat_embeddings
from ._coverage import coverage, summarize_coverage
from ._read import as_embedding, read_embedding
from ._shipped import Source, list_sources, open_embedding
from ._write import convert_embedding, write_embedding

__all__ = [
    "Source",
    "as_embedding",
    "build_from_fasta",
    "build_from_gmt",
    "build_from_terms",
    "build_from_text",
    "concat_embeddings",
    "convert_embedding",
    "coverage",
    "list_sources",
    "open_embedding",
    "read_aliases",
    "read_embedding",
    "summarize_coverage",
    "write_embedding",
]
