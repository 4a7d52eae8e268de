"""What the tests of the audit share."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def rng():
    """A fresh generator."""
    return np.random.default_rng(0)
