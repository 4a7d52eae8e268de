"""`perturbridge predict --cells`: predicted cells of perturbations nobody has measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_predicted_cells"]


def write_predicted_cells(
    run: Path,
    perturbations: list[str],
    *,
    out: Path | None,
    n_cells: int,
    means: bool,
    seed: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Predict cells, write them as h5ad, and print what was made.

    Parameters
    ----------
    run, perturbations
        A run folder, and what to predict.
    out
        The h5ad file.
    n_cells, means, seed
        Control cells for each perturbation; expected counts or drawn ones; what draws them.
    overwrite, as_json
        As everywhere.

    Raises
    ------
    DataError
        If no h5ad file was named.
    """
    from perturbridge import pipeline

    from ._show import check_output, console, print_json, print_table

    if out is None or out.suffix != ".h5ad":
        problem = f"Predicted cells need a file of their own; -o is {'missing' if out is None else str(out)!r}."
        raise DataError(problem, cure="Pass -o cells.h5ad.")
    check_output(out, overwrite=overwrite)
    done = pipeline.predict_cells(
        run, perturbations, n_cells=n_cells, expression="means" if means else "counts", seed=seed
    )
    pipeline.save_cells(done, out)
    record = pipeline.cells_record(done)
    if as_json:
        print_json({"file": str(out), "perturbations": record})
        return
    rows = [
        (
            row["perturbation"],
            f"{row['n_cells']:,}",
            row["status"],
            row["detail"],
            f"{row['radius']:.2f}" if row["radius"] is not None else "",
        )
        for row in record
    ]
    print_table(
        "Predicted cells", ("perturbation", "#cells", "status", "detail", f"#off by at most ({done.level:.0%})"), rows
    )
    console().print(
        f"\nWritten to {out}: counts in X, the control of each cell in obs, coordinates in obsm['X_perturbridge']."
    )
