"""Predict the effects of gene perturbations nobody has measured, and say how far to trust the answer."""

from __future__ import annotations
