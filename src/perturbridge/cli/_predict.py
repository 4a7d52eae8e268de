"""`perturbridge predict`: effects of perturbations nobody has measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import Json, Overwrite, Seed, Threads

__all__ = ["predict"]


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    perturbations: Annotated[list[str], typer.Argument(help="Genes; those of one perturbation joined by +.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write: .h5ad, .csv or .parquet.")] = None,
    top: Annotated[int, typer.Option(min=1, help="So many genes up and down are shown.")] = 5,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Say where each prediction comes from: training genes, sources, intervals."),
    ] = False,
    cells: Annotated[
        bool, typer.Option("--cells", help="Predict cells: the run's controls, moved and decoded. Needs -o FILE.h5ad.")
    ] = False,
    n_cells: Annotated[int, typer.Option(min=1, help="With --cells: control cells for each perturbation.")] = 500,
    means: Annotated[
        bool, typer.Option("--means", help="With --cells: expected counts instead of drawn ones.")
    ] = False,
    seed: Seed = 0,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Predict the effect of perturbations with the model of a run; with --cells, the cells themselves.

    Example: `perturbridge predict runs/a TP53 KRAS+MYC --explain -o pred.h5ad`
    """
    from perturbridge import pipeline

    if cells:
        from ._predict_cells import write_predicted_cells

        write_predicted_cells(
            run, perturbations, out=out, n_cells=n_cells, means=means, seed=seed, overwrite=overwrite, as_json=as_json
        )
        return

    from ._explanation import print_explanation
    from ._show import check_output, console, print_json
    from ._tables import prediction_record, print_prediction

    if out is not None:
        pipeline.check_prediction_format(check_output(out, overwrite=overwrite))
    prediction = pipeline.predict(run, perturbations)
    if out is not None:
        pipeline.save_prediction(prediction, out)
    explanations = pipeline.explain(run, perturbations, top=top) if explain else []
    if as_json:
        records = prediction_record(prediction, top=top)
        for record, explanation in zip(records, explanations, strict=False):
            record["explanation"] = explanation.as_json()
        print_json(records)
        return
    print_prediction(prediction, top=top)
    for explanation in explanations:
        print_explanation(explanation)
    if out is not None:
        console().print(f"\nWritten to {out}")
