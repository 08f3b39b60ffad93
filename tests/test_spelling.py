"""An attribute that the game would read, but for a letter, is an error and no other game."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from gankit.errors import ConfigError
from gankit.parts.losses import Conditional, NonSaturating
from gankit.parts.penalties import R1
from gankit.plug import registry
from gankit.plug.spelling import SAYS, check_spelling


class Matching(NonSaturating):
    """needs_mismatched is meant."""

    needs_mismatch = True


@dataclass(frozen=True)
class Remembering:
    """memory is meant."""

    name: str = "remembering"
    player: str = "discriminator"
    every: int = 1
    weight: float = 1.0
    memorys: Any = None


def test_an_attribute_that_nobody_reads_is_told():
    with pytest.raises(
        ConfigError, match=r"Matching.*'needs_mismatch', which gankit does not read\. Did you mean 'needs_"
    ):
        check_spelling("losses", Matching())


def test_so_it_is_inside_of_another_loss_and_in_an_instance():
    with pytest.raises(ConfigError, match="needs_mismatched"):
        check_spelling("losses", Conditional(base=Matching()))
    with pytest.raises(ConfigError, match="Did you mean 'memory'"):
        check_spelling("penalties", Remembering())


def test_what_is_spelt_right_or_is_something_else_passes():
    class Warm(NonSaturating):
        """An attribute of its own, and one that is read."""

        temperature = 2.0
        needs_mismatched = True

    check_spelling("losses", Warm())
    check_spelling("penalties", R1())


@pytest.mark.parametrize("kind", SAYS)
def test_every_part_that_is_installed_passes(kind):
    for name in registry.names(kind):
        target = registry.load(kind, name)
        try:
            part = target(base=NonSaturating()) if name == "conditional" else target()
        except TypeError:  # one that cannot be made without settings
            continue
        check_spelling(kind, part)
