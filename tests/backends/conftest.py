"""Every test here runs on each backend that is installed, and there must be one."""

from __future__ import annotations

import pytest

from gankit.plug import registry

INSTALLED = registry.names("backends")


@pytest.fixture(scope="session", params=INSTALLED or ["none installed"])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of an installed backend."""
    if not INSTALLED:
        pytest.fail("No backend is installed. Type pip install -e backends/torch or pip install -e backends/jax.")
    return str(request.param)
