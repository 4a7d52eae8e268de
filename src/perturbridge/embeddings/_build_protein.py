"""Embeddings from protein sequences: the mean of a protein language model's vectors over all residues."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturbridge.errors import EmbeddingError
from perturbridge.values import EmbeddingCard, GeneAliases, GeneEmbedding

from ._aliases import default_aliases
from ._assemble import id_space
from ._build import described_card
from ._fasta import choose_isoforms, read_fasta
from ._models import choose_device, library, model_folder, quietly
from ._parts import Parts, fingerprint
from ._read import file_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ._fasta import Protein

__all__ = ["build_from_fasta"]


@dataclass(frozen=True)
class _Window:
    """Residues `start` to `stop` of a protein, and how much each counts: 1 over the windows that hold it."""

    protein: int
    start: int
    stop: int
    weights: NDArray[np.float64]


def build_from_fasta(  # noqa: PLR0913 input, model, and one keyword for each setting
    fasta: str | Path,
    model: str | Path,
    *,
    window: int = 1022,
    overlap: int = 256,
    batch_tokens: int = 8192,
    name: str = "protein",
    card: EmbeddingCard | None = None,
    aliases: GeneAliases | Literal["default"] | None = "default",
    device: str = "auto",
    resume: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> GeneEmbedding:
    """v_gene = (1/L) Σ_residues h_r, h_r the last layer at residue r, the mean over the windows that hold it.

    A protein longer than `window` is read in windows that overlap by `overlap`, so that no residue is left out and none counts
    twice. Begin, end and padding marks do not count. Of several proteins of a gene one is taken: reviewed before unreviewed and
    canonical before isoforms where the headers are UniProt's, then the longest, then the first.

    Parameters
    ----------
    fasta
        Protein sequences, plain or gzip. The gene is `GN=` (UniProt), `gene_symbol:` or `gene:` (Ensembl), `[gene=]` (NCBI), or the
        first word of the header.
    model
        Folder of an encoder that `transformers.AutoModel` opens, such as ESM2.
    window, overlap
        Most residues read at once, and how many neighbors share.
    batch_tokens
        Residues, padding included, of a batch; windows are sorted by length, so that little is padding.
    name, card
        Short name; what you know of sequences and model: source, license, date.
    aliases
        As in `read_embedding`.
    device
        `"auto"`, `"cpu"` or `"cuda"`.
    resume
        Folder that keeps finished batches; a build that was interrupted goes on from it. The caller removes it.
    progress
        Called with batches done and batches in all.

    Returns
    -------
    GeneEmbedding
        float32 `(n_genes, n_dims)`, genes sorted, in the model's own scale.

    Raises
    ------
    EmbeddingError
        If the extra `embed` is not installed, a file cannot be read, the windows make no sense, or a vector is not finite.
    """
    if not 0 <= overlap < window:
        problem = f"The windows of {window} residues overlap by {overlap}."
        raise EmbeddingError(problem, cure="Let them overlap by less than their length.")
    source, folder = Path(fasta), model_folder(model)
    read, noticed_reading = read_fasta(source)
    proteins, noticed_isoforms = choose_isoforms(read)
    settings = {"fasta": file_hash(source), "model": file_hash(folder), "window": window, "overlap": overlap}
    parts = Parts(resume, fingerprint({**settings, "batch_tokens": batch_tokens}))
    parts.open()
    windows = [
        w
        for i, protein in enumerate(proteins)
        for w in _windows(i, len(protein.sequence), window=window, overlap=overlap)
    ]
    batches = _batches(windows, batch_tokens)
    encode = _encoder(folder, proteins, device=choose_device(device))
    vectors = _summed(batches, parts.run(batches, encode, progress=progress), proteins)
    recipe = (
        f"build_from_fasta: mean over residues, windows of {window} overlapping by {overlap}, longest canonical protein;"
        f" model {folder.name} (sha256 {settings['model']})"
    )
    genes = tuple(protein.gene for protein in proteins)
    described = described_card(card, name=name, recipe=recipe, files=[source])
    return GeneEmbedding(
        vectors=_finite(vectors, genes).astype(np.float32),
        genes=genes,
        rows=np.arange(len(genes)),
        card=replace(described, id_space=id_space(genes)),
        aliases=default_aliases() if aliases == "default" else aliases or GeneAliases(),
        findings=(*noticed_reading, *noticed_isoforms),
    )


def _windows(protein: int, length: int, *, window: int, overlap: int) -> list[_Window]:
    last = max(length - window, 0)
    starts = [*range(0, last, window - overlap), last]
    covered = np.zeros(length)
    for start in starts:
        covered[start : start + window] += 1
    stops = [min(start + window, length) for start in starts]
    return [_Window(protein, a, b, 1 / covered[a:b]) for a, b in zip(starts, stops, strict=True)]


def _batches(windows: Sequence[_Window], batch_tokens: int) -> list[list[_Window]]:
    """Return windows of like length together, the longest first, so that what does not fit memory shows at once."""
    ordered = sorted(windows, key=lambda w: (w.start - w.stop, w.protein, w.start))
    batches: list[list[_Window]] = []
    for window in ordered:
        longest = batches[-1][0].stop - batches[-1][0].start if batches else 0
        if not batches or longest * (len(batches[-1]) + 1) > batch_tokens:
            batches.append([])
        batches[-1].append(window)
    return batches


def _encoder(folder: Path, proteins: list[Protein], *, device: str) -> Callable[[list[_Window]], NDArray[np.float64]]:
    """Return a function from a batch to the weighted sum over the residues of each window `(n_windows, n_dims)`."""
    import torch

    transformers = library("transformers")
    with quietly():
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=_has_safetensors(folder)
        )
    model = model.to(device).eval()

    def encode(batch: list[_Window]) -> NDArray[np.float64]:
        texts = [proteins[w.protein].sequence[w.start : w.stop] for w in batch]
        with quietly():
            tokens = tokenizer(texts, return_tensors="pt", padding=True, return_special_tokens_mask=True)
        marks = tokens.pop("special_tokens_mask").bool()
        with torch.inference_mode(), quietly():
            hidden = model(**tokens.to(device)).last_hidden_state.float().cpu().double().numpy()
        residues = (~marks & tokens["attention_mask"].cpu().bool()).numpy()
        return np.stack([_weighted(hidden[i], residues[i], w) for i, w in enumerate(batch)])

    return encode


def _has_safetensors(folder: Path) -> bool | None:
    """Ask for safetensors where the folder has them; else transformers loads weights alone, with checks of its own."""
    return True if any(folder.glob("*.safetensors")) else None


def _weighted(hidden: NDArray[np.float64], residues: NDArray[np.bool_], window: _Window) -> NDArray[Any]:
    if residues.sum() != len(window.weights):
        problem = f"The tokenizer makes {residues.sum()} tokens of {len(window.weights)} residues."
        raise EmbeddingError(problem, cure="Use a model with one token per residue, such as ESM2.")
    return np.asarray(window.weights @ hidden[residues])


def _summed(
    batches: list[list[_Window]], results: list[NDArray[np.float64]], proteins: list[Protein]
) -> NDArray[np.float64]:
    vectors = np.zeros((len(proteins), results[0].shape[1]))
    for batch, result in zip(batches, results, strict=True):
        for window, total in zip(batch, result, strict=True):
            vectors[window.protein] += total
    lengths = np.array([len(protein.sequence) for protein in proteins], dtype=np.float64)
    return np.asarray(vectors / lengths[:, None])


def _finite(vectors: NDArray[np.float64], genes: Sequence[str]) -> NDArray[np.float64]:
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        problem = f"The model gives {len(bad)} vectors that are not finite, the first for {genes[bad[0]]!r}."
        raise EmbeddingError(problem, cure="Check the weights of the model.")
    return vectors
