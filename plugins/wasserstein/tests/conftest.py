"""Every test here runs on each backend that is installed; no framework is imported by name."""

from __future__ import annotations

import pytest

from gankit.building import open_backend
from gankit.plug import registry

INSTALLED = registry.names("backends") or ("torch",)  # where none is, opening it says what to install


@pytest.fixture(params=INSTALLED)
def backend_name(request):
    """An installed backend."""
    return request.param


@pytest.fixture(params=["float32", "float64"])
def backend(backend_name, request):
    """An open backend, in either dtype."""
    return open_backend(backend_name, "cpu", request.param)


@pytest.fixture
def exact(backend_name):
    """An open backend in float64."""
    return open_backend(backend_name, "cpu", "float64")
