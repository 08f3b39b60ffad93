"""Parity needs every backend of this repository side by side."""

from pathlib import Path

import pytest

from gankit.plug import registry

FOLDERS = sorted(path.parent.name for path in (Path(__file__).parents[2] / "backends").glob("*/pyproject.toml"))


@pytest.fixture(scope="session", autouse=True)
def every_backend_is_installed():
    missing = set(FOLDERS) - set(registry.names("backends"))
    assert not missing, f"parity compares all backends; missing here: {sorted(missing)}"


@pytest.fixture(scope="session")
def backends():
    return FOLDERS
