"""Run folders that reports are written of, and how a report is read."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from gankit.config import Config
from gankit.runs.folder import Run

HOSTILE = '<script>alert("x")</script> & `rm` | [a](b) \n *x*'


class Page(HTMLParser):
    """What a browser would see: text, and every tag with its attributes. Fails on tags that are not closed."""

    VOID = ("meta", "img", "br", "path", "link", "input", "hr")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._open = "", list[str]()
        self.feed(path.read_text("utf-8"))
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop() == tag
        if tag in ("td", "th", "dt", "dd", "p", "li"):
            self.text += " "

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def begin(folder: Path, **settings: Any) -> Run:
    run = Run(folder)
    run.begin(Config().with_settings(settings))
    return run


def write_lines(path: Path, *lines: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


MEASURED = {
    "format": 1, "data": "digits", "backend": "torch", "n": 1000, "seed": 0,
    "rows": [
        {
            "checkpoint": "last", "step": 300, "weights": weights,
            "measurements": [
                {
                    "metric": "parzen", "label": "parzen", "value": score, "error": 2.17, "better": "higher",
                    "protocol": {"n": 1000, "sigma": sigma}, "details": {},
                }
            ],
            "skipped": [{"metric": "modes", "reason": "digits is no toy"}],
        }
        for weights, score, sigma in (("raw", 201.26, 0.2), ("ema", 225.13, 0.17))
    ],
}  # fmt: skip
