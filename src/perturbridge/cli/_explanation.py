"""An explanation of one prediction, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._show import console, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from perturbridge.effects import Explanation

__all__ = ["print_explanation"]


def print_explanation(explanation: Explanation) -> None:
    """Print where a prediction comes from, by training gene and by source, and its strongest genes with intervals."""
    name = explanation.perturbation
    if explanation.deviation == 0:
        console().print(f"\n{name} is predicted as the mean effect: nothing that is known of it sets it apart.")
    else:
        rows = [
            (row["gene"], row["similar_to"], f"{row['kernel']:+.2f}", f"{row['share']:+.2f}")
            for row in explanation.neighbors
        ]
        columns = ("training gene", "similar to", "#kernel", "#share")
        _titled(f"{name}: what its deviation from the mean effect comes through", columns, rows)
        shares = [(row["source"], _weight(row), f"{row['share']:+.2f}") for row in explanation.sources]
        _titled(f"{name}: by source", ("source", "#weight", "#share"), shares)
    genes = [
        (row["gene"] + (" (target)" if row["is_target"] else ""), f"{row['delta']:+.3f}", _interval(row))
        for row in (*explanation.up, *explanation.down)
    ]
    _titled(f"{name}: strongest genes, Δ in log1p-CP10k", ("gene", "#delta", "#90 % interval"), genes)


def _titled(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a title that may be wider than its table."""
    console().print(f"\n{title}", style="bold", markup=False, highlight=False)
    print_table("", columns, rows)


def _weight(row: Mapping[str, Any]) -> str:
    return "–" if row["weight"] is None else f"{row['weight']:.2f}"


def _interval(row: Mapping[str, Any]) -> str:
    return "–" if row["lower"] is None else f"[{row['lower']:+.3f}, {row['upper']:+.3f}]"
