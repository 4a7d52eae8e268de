"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "default", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("default")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data, named by PERTURBRIDGE_DATA; in CI a missing folder is a failure, not a skip."""
    folder = os.environ.get("PERTURBRIDGE_DATA", "")
    if folder and Path(folder).is_dir():
        return Path(folder)
    if os.environ.get("PERTURBRIDGE_NO_SKIP"):
        pytest.fail(f"PERTURBRIDGE_DATA is {folder!r}: the real data must be there in CI")
    pytest.skip("PERTURBRIDGE_DATA is unset: tests on real data need it")
