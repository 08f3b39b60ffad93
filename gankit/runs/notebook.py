"""What a notebook shows of a game: its sizes and its settings, as one small table."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from gankit.config import Part
from gankit.interfaces import LABEL
from gankit.play.plans import plans
from gankit.runs.progress import losses

PLAIN = ("loss", "penalties", "generator_optimizer", "discriminator_optimizer", "batch_size", "seed")
"""Settings that a reader looks for first."""


def as_table(trainer: Any) -> str:
    """HTML of a trainer: what is played on what, parameters of each player, and every setting. All text is escaped.

    Of a game that was played already, one line of how far it is, which opens into the table.
    """
    config, shape = trainer.config, " x ".join(map(str, trainer.spec.shape))
    settings = {name: _text(value) for name, value in config.to_plain().items()}
    facts = {
        "data": f"{config.data}, {shape}{_classes(trainer)}",
        **{plan.role: _player(plan.network, trainer.players[plan.role]) for plan in plans(config)},
        **{name: settings.pop(name) for name in PLAIN},
        "steps done": f"{trainer.steps_done:,}",
        "backend": f"{trainer.backend.name} on {trainer.backend.device}",
    }
    rest = {name: text for name, text in settings.items() if name not in ("recipe", *facts)}
    name = f"gankit: {escape(config.recipe)}"
    table = f"<table><caption>{name}</caption>{_rows(facts)}</table>"
    if trainer.steps_done:  # `fit` returns the game, and who called it has seen its settings
        table = f"<details><summary>{name} on {escape(config.data)}{_so_far(trainer)}</summary>{table}</details>"
    return f"{table}<details><summary>all other settings</summary><table>{_rows(rest)}</table></details>"


def _so_far(trainer: Any) -> str:
    """How far a game is: its steps, and the terms of the last row of its log."""
    steps, history = f", {trainer.steps_done:,} steps", getattr(trainer, "history", None)
    if not history:
        return steps
    last = dict(history[-1])
    return f"{steps}; at step {int(last.pop('step')):,}: {escape(losses(last))}"


def _classes(trainer: Any) -> str:
    further = "".join(f", given {name}: {port}" for name, port in trainer.spec.given.items() if name != LABEL)
    return (f", {trainer.spec.num_classes} classes" if trainer.config.conditional else "") + further


def _player(part: Part, player: Any) -> str:
    return f"{_text(part.to_plain())}: {player.num_parameters:,} parameters"


def _text(value: Any) -> str:
    """A setting as a reader would write it: `adam (lr=0.0002, beta1=0.5)`."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key}={_text(item)}" for key, item in value.items() if key != "name")
        name = str(value.get("name", ""))
        return f"{name} ({inside})".strip() if inside else name
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return str(value)


def _rows(facts: Mapping[str, str]) -> str:
    cell = '<td style="text-align: left">'
    return "".join(
        f'<tr><th style="text-align: left">{escape(name)}</th>{cell}{escape(text)}</td></tr>'
        for name, text in facts.items()
    )
