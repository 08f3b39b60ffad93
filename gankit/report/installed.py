"""How to install what a run was made with, from where it is here: an index, a repository, an archive, a checkout.

Installers note that in `direct_url.json` (PEP 610). Nobody else has a use for folders and passwords: paths are told
within their checkout, archives by their names, and addresses without who asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit


def requirements(own: str, others: Mapping[str, str]) -> list[str]:
    """What to hand to `pip install`. own: gankit's version; others: versions by distribution. Those may be empty."""
    root = _folder(_direct_url("gankit"))
    return [word for name, version in {"gankit": own, **others}.items() for word in _words(name, version, root)]


def from_a_checkout() -> bool:
    """Whether gankit itself is installed from a folder, so that paths are meant inside of one like it."""
    return _folder(_direct_url("gankit")) is not None


def _words(name: str, version: str, root: Path | None) -> Sequence[str]:
    exact = [f"{name}=={version}" if version else name]
    found = _direct_url(name)
    if version and found.pop("version", version) != version:  # the run was made with another than is here now
        return exact
    url, part = _bare(str(found.get("url", ""))), str(found.get("subdirectory") or "")
    inside = f"#subdirectory={part}" if part else ""
    if isinstance(repository := found.get("vcs_info"), Mapping):
        at = repository.get("commit_id") or repository.get("requested_revision")
        return [f"{name} @ {repository.get('vcs', 'git')}+{url}{f'@{at}' if at else ''}{inside}"]
    if (folder := _folder(found)) is not None:
        where = _within(folder, root)
        return ["-e", where] if _is_editable(found) else [where if where.startswith(".") else f"./{where}"]
    if "archive_info" in found:
        return [_last(url)] if url.startswith("file:") else [f"{name} @ {url}{inside}"]
    return exact


def _direct_url(name: str) -> dict[str, Any]:
    """What the installer noted, with the version that is there; nothing where it came from an index."""
    try:
        there = distribution(name)
        found = json.loads(there.read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError, OSError, RecursionError):
        return {}
    return {**found, "version": there.version} if isinstance(found, dict) and found else {}


def _folder(found: Mapping[str, Any]) -> Path | None:
    """The folder that a distribution was installed from; None where that is none."""
    url = str(found.get("url", ""))
    return Path(unquote(urlsplit(url).path)) if url.startswith("file:") and "dir_info" in found else None


def _is_editable(found: Mapping[str, Any]) -> bool:
    info = found.get("dir_info")
    return isinstance(info, Mapping) and info.get("editable") is True


def _within(folder: Path, root: Path | None) -> str:
    """Its path from the root of the checkout; the name alone of one that lies elsewhere."""
    if root is not None and folder.is_relative_to(root):
        return folder.relative_to(root).as_posix()
    return folder.name


def _bare(url: str) -> str:
    """An address without a user's name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else url


def _last(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name
