"""What text asks for when it names pictures: `faces@64`, `a,b@48x64+pad`, `pairs:facades@64+skip-broken`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gankit.data.archives import KINDS
from gankit.data.broken import SKIP
from gankit.errors import DataError

SIZED = re.compile(r"(?P<path>.+)@(?P<height>\d{1,6})(x(?P<width>\d{1,6})(x(?P<channels>\d))?)?")
PAD, FLIP, GREY, COLOUR = "+pad", "+flip", "+grey", "+colour"
PAIRS, HALVES = "pairs:", "halves:"
CHOICES: dict[str, dict[str, Any]] = {
    PAD: {"pad": True},
    FLIP: {"flip": True},
    GREY: {"channels": 1},
    COLOUR: {"channels": 3},
    SKIP: {"skip_broken": True},
}


@dataclass(frozen=True)
class Asked:
    """Which pictures, and what is made of them; see `gankit.data.folder`. kind: "", "pairs:" or "halves:"."""

    paths: tuple[str, ...]
    kind: str = ""
    size: tuple[int, int] | None = None
    channels: int | None = None
    pad: bool = False
    flip: bool = False
    skip_broken: bool = False

    def name(self, shape: tuple[int, ...] | None = None) -> str:
        """Text that asks for the same. shape: of a picture, where it belongs there."""
        paths = ",".join(unmistakable(Path(path)) if not self.kind else path for path in self.paths)
        numbers = self.size or () if shape is None else shape
        if self.size and self.channels is not None and shape is None:
            numbers = (*self.size, self.channels)
        size = "@" + "x".join(map(str, numbers)) if numbers else ""
        choices = PAD * self.pad + FLIP * self.flip + SKIP * self.skip_broken
        return f"{self.kind}{paths}{size}{choices}"


def asked(text: str) -> Asked | None:
    """What `text` asks for; None where there are no such pictures. What is literally called so comes first."""
    if holds_pictures(text):
        return Asked((text,))
    kind = next((each for each in (PAIRS, HALVES) if text.startswith(each)), "")
    rest, choices = text.removeprefix(kind), dict[str, Any]()
    while not holds_pictures(rest) and (choice := next((c for c in CHOICES if rest.endswith(c)), None)):
        rest = rest.removesuffix(choice)
        choices = {**CHOICES[choice], **choices}
    sized = None if holds_pictures(rest) else SIZED.fullmatch(rest)
    if sized is not None:
        rest, height = sized["path"], int(sized["height"])
        choices = {"channels": int(sized["channels"]) if sized["channels"] else None, **choices}
        choices["size"] = (height, int(sized["width"] or height))
    paths = (rest,) if kind or holds_pictures(rest) else tuple(rest.split(","))
    if not kind and not all(map(holds_pictures, paths)):
        return None
    return replace(Asked(paths, kind), **choices)


def holds_pictures(text: str) -> bool:
    """Whether a path is a folder, or an archive by the end of its name."""
    path = Path(text).expanduser()
    return bool(text) and (path.is_dir() or (path.suffix.lower() in KINDS and path.is_file()))


def unmistakable(path: Path) -> str:
    """The path as text that cannot be taken for the name of a data set: `faces` is `./faces`."""
    text = os.fspath(path)
    return text if looks_like_path(text) else os.path.join(".", text)


def looks_like_path(text: str) -> bool:
    """Names of datasets have neither dots nor slashes, nor the @ of a size."""
    return any(mark in text for mark in (".", "/", "@", "~", ":", "+", ",", os.sep))


def height_and_width(size: Any) -> tuple[int, int] | None:
    """A size as (height, width). Raises DataError for what is none."""
    if size is None:
        return None
    pair = size if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2 or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in map(_whole, pair)):
        raise DataError(f"size={size!r}: expected pixels, such as size=64, or height and width, such as size=(48, 64).")
    return int(pair[0]), int(pair[1])


def _whole(n: Any) -> Any:
    """NumPy's integers as Python's."""
    return int(n) if hasattr(n, "__index__") and not isinstance(n, bool) else n
