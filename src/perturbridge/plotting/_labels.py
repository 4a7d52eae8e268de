"""Names beside points, none on top of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._style import INK, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["name_points"]

_SIZE = 7.5
_CHARACTER = 0.62 * _SIZE
# Axes take about so much of a figure of their own; labels and title have the rest.
_SHARE = 0.78
_PLACES = ((4, 2, "left"), (4, -9, "left"), (-4, 2, "right"), (-4, -9, "right"))


def name_points(
    ax: Axes,
    chosen: Iterable[int],
    /,
    *,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    names: Sequence[str],
) -> None:
    """Write the names of points beside them, the first ones first; a name that finds no free place is left out.

    Parameters
    ----------
    ax
        Axes with the points drawn.
    chosen
        Indices of the points, the most important first.
    x, y, names
        Of all points `(n_points,)`.
    """
    inches = ax.figure.bbox.transformed(ax.figure.dpi_scale_trans.inverted())
    width, height = 72 * _SHARE * inches.width, 72 * _SHARE * inches.height
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    taken: list[tuple[float, float, float, float]] = []
    for i in chosen:
        text = plain(names[i])
        at = (x[i] - left) / (right - left) * width, (y[i] - low) / (high - low) * height
        for dx, dy, side in _PLACES:
            start = at[0] + dx - (len(text) * _CHARACTER if side == "right" else 0.0)
            box = (start, at[1] + dy, start + len(text) * _CHARACTER, at[1] + dy + _SIZE)
            if box[0] < -_SIZE or any(_overlap(box, other) for other in taken):
                continue
            taken.append(box)
            place = (float(x[i]), float(y[i]))
            ax.annotate(text, place, (dx, dy), textcoords="offset points", ha=side, fontsize=_SIZE, color=INK)
            break


def _overlap(first: tuple[float, float, float, float], second: tuple[float, float, float, float]) -> bool:
    apart = first[2] <= second[0] or second[2] <= first[0] or first[3] <= second[1] or second[3] <= first[1]
    return not apart
