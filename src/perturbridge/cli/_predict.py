"""`perturbridge predict`: effects of perturbations nobody has measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import Json, Overwrite, Threads

__all__ = ["predict"]


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    perturbations: Annotated[list[str], typer.Argument(help="Genes; those of one perturbation joined by +.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write: .h5ad, .csv or .parquet.")] = None,
    top: Annotated[int, typer.Option(min=1, help="So many genes up and down are shown.")] = 5,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Predict the effect of perturbations with the model of a run.

    Example: `perturbridge predict runs/a TP53 KRAS+MYC -o pred.h5ad`
    """
    from perturbridge import pipeline

    from ._show import check_output, console, print_json
    from ._tables import prediction_record, print_prediction

    if out is not None:
        pipeline.check_prediction_format(check_output(out, overwrite=overwrite))
    prediction = pipeline.predict(run, perturbations)
    if out is not None:
        pipeline.save_prediction(prediction, out)
    if as_json:
        print_json(prediction_record(prediction, top=top))
        return
    print_prediction(prediction, top=top)
    if out is not None:
        console().print(f"\nWritten to {out}")
