"""A cache of its own for each test, and folders that count as large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gankit.arrays import Array
from gankit.data import decoding
from gankit.data.picture import Form
from tests.pictures.making import Decoded


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pictures"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder is one that does not fit into memory and is worth a place in the cache."""
    monkeypatch.setattr(decoding, "IN_MEMORY", 0)
    monkeypatch.setattr(decoding, "WORTH", 0)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Decoded:
    """The names of the pictures that were decoded, in their order."""
    names, pixels = Decoded(), Form.pixels

    def counted(form: Form, encoded: Any, name: str) -> Array:
        names.append(Path(name).name)
        return pixels(form, encoded, name)

    monkeypatch.setattr(Form, "pixels", counted)
    return names
