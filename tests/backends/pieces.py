"""A game with pieces that no plugin has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gankit.parts.first_api import as_today
from gankit.play.batches import Wants
from gankit.play.trainer import AdversarialTrainer


def with_rules(trainer: Any, *, players: Any = None, penalties: Any = None, **changes: Any) -> Any:
    """The same game at its start. players: by role, what of a seat is another; penalties: of either `PLUGIN_API`;
    changes: other fields of `gankit.play.game.Game`."""
    game = trainer._game
    seats = {role: replace(seat, **(players or {}).get(role, {})) for role, seat in game.rules.seats.items()}
    if penalties is not None:
        changes["terms"] = tuple(as_today("penalties", penalty) for penalty in penalties)
    rules = replace(game.rules, seats=seats, **changes)
    wants = Wants.of(rules.loss, rules.terms, num_classes=game.spec.num_classes, makers=game.makers)
    return AdversarialTrainer(replace(game, rules=rules, wants=wants), trainer._dataset)
