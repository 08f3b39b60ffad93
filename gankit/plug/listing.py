"""What is installed, for people and programs: `gankit.plugins()`, `gankit.recipes()`."""

from __future__ import annotations

from gankit.plug import registry
from gankit.plug.registry import Listing


def plugins() -> Listing:
    """Every part that is installed, with the distribution that brings it, and every plugin that could not be read."""
    return registry.listing()


def recipes() -> dict[str, str]:
    """The named games, each with one line about it."""
    return {row.name: row.summary for row in registry.listing().rows if row.kind == "recipes"}
