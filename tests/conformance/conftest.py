"""What the tests of candidates share."""

from __future__ import annotations

import pytest

from gankit.plug import registry


@pytest.fixture(params=registry.names("backends") or [None])
def backend(request):
    """Each installed backend's name."""
    if request.param is None:
        pytest.skip("No backend is installed: pip install 'gankit[torch]'.")
    return request.param


@pytest.fixture
def put(monkeypatch):
    """Make a target a registered part: put(kind, name, target)."""
    real = registry.load

    def put(kind, name, target):
        monkeypatch.setattr(registry, "load", lambda k, n: target if (k, n) == (kind, name) else real(k, n))

    return put
