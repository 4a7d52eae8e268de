"""The plain autoencoder of the leakage experiment."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from perturbridge.errors import FitError
from perturbridge.latent._noise import generator
from perturbridge.latent._rows import choose_rows
from perturbridge.latent.cells._memory import load_rows
from perturbridge.latent.cells._order import Batches, epoch_order
from perturbridge.latent.cells._table import GeneMap
from perturbridge.latent.modules._layers import Linear
from perturbridge.latent.training._adam import Adam

from ._values import ReferenceStart, as_latent, dense_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike
    from torch import Tensor

    from perturbridge.values import Latent, Screen, Split

__all__ = ["AutoencoderModel"]

WEIGHTS = 11


class AutoencoderModel:
    """y ≈ g(f(y)), mean squared error over log1p counts per 10,000; genes ▸ 512 ▸ 64 ▸ 16 ▸ 64 ▸ 512 ▸ genes with ReLU between.

    It knows nothing of counts, contexts or probability: it is what a latent is compared with.

    Parameters
    ----------
    widths
        Hidden layers of the encoder, then the latent; the decoder mirrors them.
    epochs, batch_size, learning_rate
        Of Adam, rate constant.
    seed
        Draws weights and order.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (512, 64, 16),
        *,
        epochs: int = 30,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        self.widths = widths
        self.epochs, self.batch_size, self.learning_rate, self.seed = epochs, batch_size, learning_rate, seed
        self.losses_: tuple[float, ...] = ()
        self._start: ReferenceStart | None = None
        self._layers = nn.ModuleList()

    def fit(
        self,
        screen: Screen,
        *,
        split: Split | None = None,
        fold: str | None = None,
        rows: ArrayLike | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> AutoencoderModel:
        """Learn from controls and training perturbations; see `LatentModel.fit`.

        Parameters
        ----------
        screen
            Cells.
        split, fold, rows
            Which of them.
        progress
            Called with epochs done and epochs in all.

        Raises
        ------
        FitError
            If too few cells are left.
        """
        chosen = choose_rows(screen, split=split, fold=fold, rows=rows, validation=0.0)
        start = ReferenceStart(screen, chosen)
        source = generator(WEIGHTS, self.seed)
        sizes = (screen.n_genes, *self.widths)
        pairs = [*pairwise(sizes), *pairwise(sizes[::-1])]
        self._layers = nn.ModuleList(Linear(a, b, source=source) for a, b in pairs)
        adam = Adam(self._layers.parameters(), epsilon=1e-8, weight_decay=0.0)
        genes, device = GeneMap(None, screen.n_genes), torch.device("cpu")
        reader = load_rows(screen.source, chosen.seen, genes=genes, device=device)
        batches, number, losses = Batches(len(chosen.seen), self.batch_size), 0, []
        for epoch in range(self.epochs):
            order, _ = epoch_order(chosen.seen, seed=self.seed, epoch=epoch)
            total = 0.0
            for step in range(batches.n_steps):
                rows_ = order[slice(*batches.span(step))]
                y = dense_values(reader.take(rows_), logged=start.kind == "log1p", target_sum=start.target_sum)
                loss = ((self._decode(self._encode(y)) - y) ** 2).mean()
                torch.autograd.backward(loss)
                number += 1
                adam.step(adam.gradient(), number=number, rate=self.learning_rate)
                total += float(loss.detach()) * len(rows_)
            losses.append(total / len(chosen.seen))
            if progress is not None:
                progress(epoch + 1, self.epochs)
        self._start, self.losses_ = start, tuple(losses)
        return self

    def encode(self, screen: Screen) -> Latent:
        """Bottleneck of every cell, genes matched by name.

        Parameters
        ----------
        screen
            Cells, of this or another screen.

        Returns
        -------
        Latent
            `(n_cells, n_latent)`.

        Raises
        ------
        FitError
            If nothing was fitted, or genes or values do not match.
        """
        if self._start is None:
            problem = "The autoencoder is not fitted."
            raise FitError(problem, cure="Call fit(screen) first.")
        with torch.no_grad():
            parts = [self._encode(y).numpy() for y in self._start.values(screen, np.arange(screen.n_cells))]
        shape = "▸".join(str(width) for width in self.widths)
        return as_latent(
            screen, self._start, np.concatenate(parts), name="autoencoder", made_by=f"autoencoder genes▸{shape}, MSE"
        )

    def _encode(self, y: Tensor) -> Tensor:
        return self._through(y, 0, len(self.widths))

    def _decode(self, z: Tensor) -> Tensor:
        return self._through(z, len(self.widths), 2 * len(self.widths))

    def _through(self, x: Tensor, first: int, last: int) -> Tensor:
        for i in range(first, last):
            x = self._layers[i](x)
            x = x.relu() if i < last - 1 else x
        return x
