"""Tests of what not every backend can do, each skipped where the backend says that it cannot."""

from __future__ import annotations

import pytest

from gankit.building import open_backend


def need(backend: str, capability: str) -> None:
    """Skip the test unless the backend declares it."""
    if capability not in open_backend(backend, "auto", "float32").capabilities:
        pytest.skip(f"{backend} does not declare {capability}")
