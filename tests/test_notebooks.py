"""What is committed of a notebook is what its reader types: no outputs, no counts, nothing of whoever ran it last."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["digits-in-two-minutes", "own-loss", "own-photos"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["cells"]
    return found


def test_nothing_of_a_run_is_kept(notebook: Path) -> None:
    for cell in cells(notebook):
        assert not cell.get("outputs") and cell.get("execution_count") is None and not cell["metadata"]
    ids = [cell["id"] for cell in cells(notebook)]
    assert len(set(ids)) == len(ids)


def test_its_links_lead_somewhere(notebook: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in cells(notebook) if cell["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)#\s]+)\)", text)
    assert links and all((notebook.parent / link).exists() for link in links)
    assert text.startswith("# ")
