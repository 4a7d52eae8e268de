"""`perturbridge latent`: cells in a few dimensions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from perturbridge._processes import is_first, refuse_several

from ._options import Dask, Json, Overwrite, Threads
from ._screen_options import ScreenArgument, takes_screen_settings

__all__ = ["latent_app"]

Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Model = Annotated[Path, typer.Argument(help="Folder of a fitted model.")]
Seed = Annotated[int, typer.Option(min=0, help="Draws weights, order and noise.")]


def latent_app() -> typer.Typer:
    """Return the commands about latents."""
    app = typer.Typer(
        no_args_is_help=True, help="Fit a VAE to the counts, encode cells, diagnose it.", rich_markup_mode="markdown"
    )
    for command in (fit, encode, diagnose):
        app.command()(command)
    return app


@takes_screen_settings
def fit(
    settings: dict[str, Any],
    screen: ScreenArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the model to make.")],
    config: Annotated[
        Path | None, typer.Option(help="TOML: design, penalties, injection, [architecture], [training]; options win.")
    ] = None,
    design: Annotated[
        str | None,
        typer.Option(
            help="scvi, scanvi, scidrl, scdisinfact, biolord, drvi or perturbridge (MMD and adversary).",
            show_default="scvi",
        ),
    ] = None,
    penalties: Annotated[
        list[str] | None,
        typer.Option(
            "--penalties",
            "--penalty",
            help="Takes the context out within strata: adversary, mmd, hsic, club, cross_covariance or classifier, with "
            "=STRENGTH if you like; may be given again.",
        ),
    ] = None,
    injection: Annotated[
        str | None, typer.Option(help="How a perturbation enters the decoder: additive, concat, film or layer_norm.")
    ] = None,
    embedding: Annotated[
        str | None,
        typer.Option(help="File or table of the vectors injected.", show_default="one column for each perturbed gene"),
    ] = None,
    split_file: Annotated[Path | None, typer.Option(help="Use the training cells of this split.json alone.")] = None,
    fold: Annotated[str | None, typer.Option(help="Fold of the split.")] = None,
    labels: Annotated[str | None, typer.Option(help="Grouping known for some cells, for semi-supervision.")] = None,
    likelihood: Annotated[str | None, typer.Option(help="nb, zinb or gaussian.", show_default="nb")] = None,
    n_latent: Annotated[int | None, typer.Option(help="Dimensions of the latent.", show_default="10")] = None,
    n_latent_context: Annotated[
        int | None,
        typer.Option(min=0, help="Further dimensions, for the context.", show_default="as the design has it"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the cells.", show_default="200,000 cell visits")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Read cells from disk as they are needed.")] = False,
    checkpoint: Annotated[Path | None, typer.Option(help="Keep the run in this file, and go on from it.")] = None,
    device: Device = "auto",
    seed: Seed = 0,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Fit a latent model on the training cells of a screen; under `torchrun` several processes share the work.

    Example: `perturbridge latent fit screen.h5ad -o models/latent --context gem_group --penalty mmd`
    """
    from perturbridge import pipeline

    from ._show import check_output, print_json, progress_bars
    from ._tables import print_record

    check_output(out, overwrite=overwrite, make_folder=True)
    given: dict[str, Any] = {"design": design, "penalties": penalties, "injection": injection, "embedding": embedding}
    given |= {"labels": labels, "likelihood": likelihood, "n_latent": n_latent, "n_latent_context": n_latent_context}
    given |= {"epochs": epochs, "stream": stream or None, "checkpoint": checkpoint, "device": device, "seed": seed}
    chosen = pipeline.read_latent_config(config, given=given)
    read = pipeline.config_from_mapping({"screen": screen, "split_file": split_file, **settings})
    with progress_bars() as progress:
        record = pipeline.fit_latent(read, out, settings=chosen, fold=fold, progress=progress)
    if not is_first():
        return
    if as_json:
        print_json(record)
        return
    print_record(f"Model in {out}", _flat({**record, "settings": _short(record["settings"])}))
    _print_found(record)


@takes_screen_settings
def encode(
    settings: dict[str, Any],
    model: Model,
    screen: ScreenArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write (.h5ad).")],
    refine: Annotated[int, typer.Option(min=0, help="Steps on each cell's own posterior.")] = 0,
    unseen: Annotated[str, typer.Option(help="Contexts not seen in training: raise, or encode.")] = "raise",
    dask: Dask = None,
    device: Device = "auto",
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Encode every cell of a screen; the coordinates lie in `obsm["X_perturbridge"]`.

    Example: `perturbridge latent encode models/latent screen.h5ad -o latent.h5ad`
    """
    refuse_several("perturbridge latent encode")
    from perturbridge import pipeline

    from ._show import check_output, print_json, progress_bars
    from ._tables import print_record
    from ._workers import workers_behind

    check_output(out, overwrite=overwrite)
    read = pipeline.config_from_mapping({"screen": screen, **settings})
    with workers_behind(dask) as workers, progress_bars() as progress:
        record = pipeline.encode_latent(
            model, read, out, device=device, refine=refine, unseen=unseen, client=workers, progress=progress
        )
    if as_json:
        print_json(record)
        return
    print_record(f"Written to {out}", _flat(record))
    _print_found(record)


@takes_screen_settings
def diagnose(
    settings: dict[str, Any],
    model: Model,
    screen: ScreenArgument,
    n_cells: Annotated[int, typer.Option(min=2, help="Cells to look at.")] = 2000,
    device: Device = "auto",
    seed: Seed = 0,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Say whether the latent is alive and the model fits: active dimensions, KL, mutual information, drawn against real cells.

    Example: `perturbridge latent diagnose models/latent screen.h5ad`
    """
    refuse_several("perturbridge latent diagnose")
    from perturbridge import pipeline

    from ._show import print_json
    from ._tables import print_record

    read = pipeline.config_from_mapping({"screen": screen, **settings})
    record = pipeline.diagnose_latent(model, read, device=device, n_cells=n_cells, seed=seed)
    if as_json:
        print_json(record)
        return
    print_record("Diagnosis", _flat(record))
    _print_found(record)


def _short(settings: dict[str, Any]) -> dict[str, Any]:
    """Leave what is in `model.json` anyhow to that file."""
    injection = settings["injection"]
    return {
        "design": settings["design"],
        "penalties": [f"{each['kind']}={each['strength']:g}" for each in settings["penalties"]] or "none",
        "injection": "none" if injection is None else injection["name"],
    }


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Leave findings out and spell lists and tables in one line each."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if name == "findings":
            continue
        if isinstance(value, dict):
            flat |= {f"{name}: {key}": _spelled(inner) for key, inner in value.items()}
        else:
            flat[name] = _spelled(value)
    return flat


def _spelled(value: object) -> object:
    if isinstance(value, list | tuple):
        return ", ".join(str(_spelled(v)) for v in value)
    return f"{value:.4g}" if isinstance(value, float) else value


def _print_found(record: dict[str, Any]) -> None:
    from ._show import print_findings

    print_findings(record["findings"])
