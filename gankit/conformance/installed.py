"""The distribution that a backend comes in: its metadata, its packages, and what their source imports."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from gankit.conformance.compare import require
from gankit.conformance.subject import Subject
from gankit.plug import registry
from gankit.plug.discovery import normalise
from gankit.plug.registry import Registered


def row_of(subject: Subject) -> Registered:
    """The one record that registers the backend; raises AssertionError when there is none, or more than one."""
    rows = [row for row in registry.listing().rows if (row.kind, row.name) == ("backends", subject.name)]
    require(len(rows) > 0, f"No installed distribution registers a backend {subject.name!r}.")
    places = " and ".join(f"{row.distribution} {row.version}" for row in rows)
    require(len(rows) == 1, f"{subject.name!r} is registered {len(rows)} times, by {places}.")
    return rows[0]


def distribution_of(subject: Subject) -> metadata.Distribution:
    """The distribution that registers the backend, as Python finds it."""
    return metadata.distribution(row_of(subject).distribution)


def required(distribution: str) -> set[str]:
    """What a distribution requires without any extra, by normalised name."""
    lines = metadata.distribution(distribution).requires or []
    return {normalise(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in lines if not re.search(r";.*extra", line)}


def tops_of(distribution: str) -> set[str]:
    """The top-level modules of what a distribution requires, and gankit's own."""
    wanted = required(distribution) | {"gankit"}
    found = {top for top, homes in metadata.packages_distributions().items() if wanted & set(map(normalise, homes))}
    return found | {"gankit"}


def packages_of(subject: Subject) -> list[Path]:
    """The folders of the package that the backend's target is in; none for a module that is a single file."""
    spec = find_spec(row_of(subject).target.partition(":")[0].partition(".")[0])
    return [] if spec is None else [Path(folder) for folder in spec.submodule_search_locations or ()]


def imports(subject: Subject) -> set[str]:
    """The top-level modules that the backend's source imports, beyond itself and the standard library.

    What it tries to import and can do without is not among them.
    """
    row, found = row_of(subject), set()
    for package in packages_of(subject):
        for path in package.rglob("*.py"):
            found |= set(_imported(ast.parse(path.read_text(encoding="utf-8"))))
    own = row.target.partition(":")[0].partition(".")[0]
    return found - {own} - set(sys.stdlib_module_names)


def _imported(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.level == 0 and child.module:
            yield child.module.partition(".")[0]
        elif not isinstance(child, ast.Try) and not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child)):
            yield from _imported(child)
