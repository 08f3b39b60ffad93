"""Lists of installed parts, for people and programs: `gankit.plugins()`, `gankit.recipes()`."""

from __future__ import annotations

from gankit.plug import registry
from gankit.plug.registry import Listing


def plugins() -> Listing:
    """All installed parts, with the package that each comes from, and every plugin that cannot be loaded."""
    return registry.listing()


def recipes() -> dict[str, str]:
    """The recipes, each with one line about it."""
    return {row.name: row.summary for row in registry.listing().rows if row.kind == "recipes"}
