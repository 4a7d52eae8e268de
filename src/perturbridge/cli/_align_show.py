"""What `perturbridge align` prints for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._show import console, print_findings, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from perturbridge.pipeline import AlignedLatent

__all__ = ["print_alignment"]

_MOST = 20


def print_alignment(done: AlignedLatent, *, out: Path | None) -> None:
    """Print what opened the gate, the perturbations that move cells furthest, and where the rest lies.

    Parameters
    ----------
    done
        What was aligned.
    out
        Where it was written.
    """
    from perturbridge.pipeline import alignment_sentences, alignment_table, verdict_sentence

    console().print(verdict_sentence(done.report))
    for sentence in alignment_sentences(done.alignment):
        console().print(sentence)
    print_findings([finding.as_json() for finding in done.alignment.findings])
    table = alignment_table(done.alignment, most=_MOST)
    print_table("\nWhat moves cells furthest", table.columns, table.rows)
    if len(done.alignment.reports) > _MOST:
        console().print(f"… and {len(done.alignment.reports) - _MOST} more.")
    if out is not None:
        console().print(f"\nWritten to {out / 'alignment.html'}, {out / 'perturbations.csv'}, {out / 'alignment'}")
