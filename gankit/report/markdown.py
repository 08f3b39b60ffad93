"""Text from anywhere made harmless in Markdown and YAML: a data set may be called "<script>", or "](evil)"."""

from __future__ import annotations

import json
import re

SPECIAL = re.compile(r"([\\`*_\[\]|~$])")
"""What means something inside of a line; nothing that is put in here begins one."""


def text(value: object) -> str:
    """Plain text in a paragraph, a heading or a table's cell: shown as it is, on one line."""
    line = " ".join(str(value).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SPECIAL.sub(r"\\\1", line)


def code(value: object) -> str:
    """A span of code, in a table's cell too: fenced by more backticks than it holds."""
    line = " ".join(str(value).split()).replace("|", r"\|")
    fence = "`" * (_longest(line) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def block(value: object, language: str = "") -> str:
    """A block of code, fenced by more backticks than it holds."""
    fence = "`" * max(3, _longest(str(value)) + 1)
    return f"{fence}{language}\n{value}\n{fence}"


def yaml(value: object) -> str:
    """A string in YAML's front matter: a JSON string is one."""
    return json.dumps(str(value), ensure_ascii=True)


def _longest(value: str) -> int:
    return max(map(len, re.findall(r"`+", value)), default=0)
