"""The Python of a page can be typed from top to bottom, on every backend. Other pages have tests of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gankit
from gankit.runs.folder import Run

PAGES = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["in-python", "settings", "tutorial", "completion", "reading-a-run"])
def test_its_python_can_be_typed(page: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (PAGES / f"{page}.md").read_text("utf-8"), re.DOTALL)
    assert blocks
    monkeypatch.chdir(tmp_path)
    first = Run(tmp_path / "runs" / "first")  # what the tutorial has trained by then
    game = gankit.build(backend, "cgan")
    first.begin(game.config)
    game.save(first.checkpoint_file(0))
    names: dict[str, object] = {"__name__": page}
    for block in blocks:
        code = re.sub(r"steps=\d+", "steps=5", block) if page != "in-python" else block
        exec(code.replace('"torch"', repr(backend)), names)
