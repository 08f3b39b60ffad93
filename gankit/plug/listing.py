"""Lists of installed parts, for people and programs: `gankit.plugins()`, `gankit.recipes()`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from gankit.plug import registry
from gankit.plug.registry import Listing

STEPS = 5_000
"""How long a recipe is trained that does not say it."""


def plugins() -> Listing:
    """All installed parts, with the package that each comes from, and every plugin that cannot be loaded."""
    return registry.listing()


def recipes() -> dict[str, str]:
    """The recipes, each with one line about it."""
    return {row.name: row.summary for row in registry.listing().rows if row.kind == "recipes"}


def usual_steps(recipe: str | None) -> int:
    """How many steps `gankit train` makes of a recipe where you name no number: its own `steps`, or 5,000."""
    if recipe not in registry.names("recipes"):
        return STEPS  # of a run whose recipe is not installed any more, or the error of whoever needs the recipe
    return int(cast(Mapping[str, Any], registry.load("recipes", recipe)).get("steps", STEPS))
