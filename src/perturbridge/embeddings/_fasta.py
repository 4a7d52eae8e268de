"""Protein sequences under gene names: headers of UniProt, Ensembl, NCBI and plain ones, one protein chosen for each gene."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perturbridge.errors import EmbeddingError

from ._raw import noticed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from perturbridge.values import Finding

__all__ = ["Protein", "choose_isoforms", "read_fasta"]

# Symbols before ids, wherever they stand in the header.
_GENES = tuple(
    re.compile(pattern)
    for pattern in (r"\bGN=(\S+)", r"\bgene_symbol:(\S+)", r"\[gene=([^\]]+)\]", r"\bgene:(ENS[A-Z]*G\d{11})")
)
_UNIPROT = re.compile(r"(sp|tr)\|([A-Z0-9]+)(-\d+)?\|")
_LETTERS = frozenset("ACDEFGHIKLMNPQRSTVWYXBUZO")


@dataclass(frozen=True, kw_only=True)
class Protein:
    """One entry of a FASTA file.

    Parameters
    ----------
    gene
        Symbol or Ensembl gene id from the header, or its first word.
    entry
        The first word of the header.
    sequence
        Upper-case letters, the stop at the end taken off, letters that no amino acid has as `X`.
    rank
        0 for reviewed and canonical entries of UniProt and for all others, then unreviewed, then isoforms.
    """

    gene: str
    entry: str
    sequence: str
    rank: int = 0


def read_fasta(path: Path) -> tuple[list[Protein], tuple[Finding, ...]]:
    """Read every entry.

    Raises
    ------
    EmbeddingError
        If the file cannot be read or does not begin like FASTA.
    """
    proteins, empty, odd = [], [], []
    for head, sequence in _entries(path):
        first = head.split(maxsplit=1)[0] if head.split() else ""
        gene = next((found.group(1) for pattern in _GENES if (found := pattern.search(head))), first)
        letters = sequence.upper().rstrip("*")
        clean = "".join(c if c in _LETTERS else "X" for c in letters)
        if not clean or not gene:
            empty.append(first or "(no name)")
            continue
        if clean != letters:
            odd.append(gene)
        proteins.append(Protein(gene=gene, entry=first, sequence=clean, rank=_rank(head)))
    if not proteins:
        problem = f"{path} holds no sequence."
        raise EmbeddingError(problem, cure="Pass protein sequences in FASTA, each under a line that begins with >.")
    return proteins, (
        *noticed("empty_sequences", "Entries without a sequence were left out.", empty, warn=True),
        *noticed("odd_letters", "Letters that stand for no amino acid were read as X.", odd),
    )


def _rank(head: str) -> int:
    found = _UNIPROT.match(head)
    return 0 if found is None else 2 if found.group(3) else int(found.group(1) == "tr")


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open("rb") as handle:
            packed = handle.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8-sig") if packed else path.open(encoding="utf-8-sig") as lines:
            head, parts = "", list[str]()
            for number, line in enumerate(lines):
                if line.startswith(">"):
                    if number:
                        yield head, "".join(parts)
                    head, parts = line[1:].strip(), []
                elif number == 0:
                    problem = f"{path} begins with {line[:30]!r}, not with >."
                    raise EmbeddingError(problem, cure="Pass protein sequences in FASTA.")
                else:
                    parts.append("".join(line.split()))
            if head or parts:
                yield head, "".join(parts)
    except (OSError, UnicodeDecodeError, EOFError, zlib.error) as error:
        problem = f"{path} cannot be read: {error}."
        raise EmbeddingError(problem, cure="Pass protein sequences in FASTA, plain or gzip.") from error


def choose_isoforms(proteins: list[Protein]) -> tuple[list[Protein], tuple[Finding, ...]]:
    """Return one protein per gene, genes sorted: reviewed before unreviewed, canonical before isoforms, then the longest, then the first."""
    best: dict[str, Protein] = {}
    several: dict[str, int] = {}
    for protein in proteins:
        other = best.setdefault(protein.gene, protein)
        if other is protein:
            continue
        several[protein.gene] = several.get(protein.gene, 1) + 1
        if (protein.rank, -len(protein.sequence)) < (other.rank, -len(other.sequence)):
            best[protein.gene] = protein
    message = "Genes have several proteins; reviewed and canonical ones were preferred, then the longest."
    return [best[gene] for gene in sorted(best)], noticed("several_proteins", message, list(several))
