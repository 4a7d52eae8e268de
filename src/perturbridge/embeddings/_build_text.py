"""Embeddings from short texts about genes, by a sentence model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturbridge.errors import EmbeddingError
from perturbridge.values import EmbeddingCard, GeneAliases, GeneEmbedding

from ._aliases import default_aliases
from ._assemble import id_space
from ._build import described_card
from ._gene_sets import read_plain_table
from ._models import choose_device, library, model_folder, quietly
from ._parts import Parts, fingerprint
from ._raw import noticed
from ._read import file_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from perturbridge.values import Finding

__all__ = ["build_from_text"]

_GENES = ("gene", "symbol", "gene_symbol", "gene_name", "gene_id", "ensembl_id", "id")
_TEXTS = ("text", "summary", "description", "gene_summary", "annotation")
_TEXTS_PER_PART = 256


def build_from_text(  # noqa: PLR0913 input, model, and one keyword for each setting
    texts: str | Path | Mapping[str, str],
    model: str | Path,
    *,
    batch_size: int = 32,
    name: str = "text",
    card: EmbeddingCard | None = None,
    aliases: GeneAliases | Literal["default"] | None = "default",
    device: str = "auto",
    resume: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> GeneEmbedding:
    """v_gene = model(text of the gene), pooled and normalized as the model's own configuration says.

    Parameters
    ----------
    texts
        A table (csv, tsv, parquet) with a gene and a text column, a JSON file of gene ▸ text as GenePT distributes its summaries, or a
        dict.
    model
        Folder of a sentence-transformers model.
    batch_size
        Texts encoded at once.
    name, card
        Short name; what you know of texts and model: source, license, date of the knowledge.
    aliases, device, resume, progress
        As in `build_from_fasta`.

    Returns
    -------
    GeneEmbedding
        float32 `(n_genes, n_dims)`, genes sorted. Genes without text are left out and counted, and so are texts that the model
        cuts because they are longer than it reads.

    Raises
    ------
    EmbeddingError
        If the extra `embed` is not installed, a file cannot be read, or a gene has several texts.
    """
    told, empty = _texts(texts)
    folder = model_folder(model)
    settings = {"texts": told, "model": file_hash(folder), "batch_size": batch_size}
    parts = Parts(resume, fingerprint(settings))
    parts.open()
    sentences = library("sentence_transformers")
    with quietly():
        encoder = sentences.SentenceTransformer(str(folder), device=choose_device(device), local_files_only=True)
    genes = sorted(told)
    # The longest first within each part, so that a batch is of like length.
    batches = [genes[i : i + _TEXTS_PER_PART] for i in range(0, len(genes), _TEXTS_PER_PART)]

    def encode(batch: list[str]) -> NDArray[np.float64]:
        with quietly():
            made = encoder.encode([told[gene] for gene in batch], batch_size=batch_size, show_progress_bar=False)
        return np.asarray(made, dtype=np.float64)

    vectors = np.concatenate(parts.run(batches, encode, progress=progress))
    files = [Path(texts)] if isinstance(texts, str | Path) else []
    recipe = f"build_from_text: model {folder.name} (sha256 {settings['model']})"
    described = described_card(card, name=name, recipe=recipe, files=files)
    return GeneEmbedding(
        vectors=vectors.astype(np.float32),
        genes=tuple(genes),
        rows=np.arange(len(genes)),
        card=replace(described, id_space=id_space(genes)),
        aliases=default_aliases() if aliases == "default" else aliases or GeneAliases(),
        findings=(
            *noticed("genes_without_text", "Genes without a text were left out.", empty, warn=True),
            *_cut(encoder, told),
        ),
    )


def _texts(source: str | Path | Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return gene ▸ text, and the genes that have none."""
    where = "The texts" if not isinstance(source, str | Path) else str(source)
    pairs = _pairs(Path(source)) if isinstance(source, str | Path) else list(source.items())
    told: dict[str, str] = {}
    for gene, text in ((str(g).strip(), " ".join(str(t).split())) for g, t in pairs):
        if told.setdefault(gene, text) != text:
            problem = f"{where} has several texts for {gene!r}."
            raise EmbeddingError(problem, cure="Join them into one text, or keep one.")
    told.pop("", None)
    empty = sorted(gene for gene, text in told.items() if not text)
    kept = {gene: text for gene, text in told.items() if text}
    if not kept:
        problem = f"{where} holds no gene with a text."
        raise EmbeddingError(problem, cure="Pass a table with a gene and a text column.")
    return kept, empty


def _pairs(file: Path) -> list[tuple[Any, Any]]:
    if file.suffix == ".json":
        try:
            told = json.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            problem = f"{file} cannot be read as JSON: {error}."
            raise EmbeddingError(problem, cure="Pass a JSON object of gene ▸ text.") from error
        if not isinstance(told, dict) or not all(isinstance(text, str) for text in told.values()):
            problem = f"{file} holds no object of gene ▸ text."
            raise EmbeddingError(problem, cure="Pass a JSON object of gene ▸ text.")
        return list(told.items())
    table = read_plain_table(file)
    titles = [str(title).strip().lower() for title in table.columns]
    gene = next((titles.index(title) for title in _GENES if title in titles), None)
    text = next((titles.index(title) for title in _TEXTS if title in titles), None)
    if gene is None or text is None:
        problem = f"{file} has the columns {', '.join(map(repr, titles[:8]))}; which holds genes and which texts is not plain."
        raise EmbeddingError(problem, cure="Call them 'gene' and 'text'.")
    chosen: pd.DataFrame = table.iloc[:, [gene, text]].fillna("")
    return list(chosen.itertuples(index=False, name=None))


def _cut(encoder: Any, told: Mapping[str, str]) -> tuple[Finding, ...]:  # noqa: ANN401 - a model without types
    most = encoder.max_seq_length
    if most is None:
        return ()
    with quietly():
        counted = encoder.tokenizer(list(told.values()), truncation=False, padding=False, verbose=False)["input_ids"]
    long = [gene for gene, tokens in zip(told, counted, strict=True) if len(tokens) > most]
    return noticed(
        "texts_cut", f"Texts are longer than the {most} tokens that the model reads and were cut.", long, warn=True
    )
