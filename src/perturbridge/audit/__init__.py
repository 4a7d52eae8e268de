"""Can this latent be trusted before transport?

Takes: a latent, the context, sample, condition and state of its cells.
Gives: one check per question, and a report whose verdict opens or keeps shut the gate.
Depends on: values, numerics; scikit-learn, scipy, numba.
"""

from __future__ import annotations

__all__: list[str] = []
