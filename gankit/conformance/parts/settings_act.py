"""Every setting of a part does something: whoever sets it would otherwise read results of a game never played."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gankit.conformance.compare import require
from gankit.conformance.parts.common import exact, settings, target
from gankit.conformance.parts.probe import given, outcome
from gankit.conformance.parts.scores import PLAYERS, SITUATIONS, ask, namespace, shown
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.conformance.tiny import TinyOps
from gankit.errors import GankitError

DECLARED = ("generator_needs_real", "conditional", "pairs_examples", "needs_mismatched", "needs", "memory", "slopes_at")
"""What a part says of itself."""
OF_THE_STEP = ("name", "player", "every", "weight", "base")
"""What the step makes use of, and what is a part in itself."""


def others(setting: inspect.Parameter) -> Iterator[Any]:
    """Values beside a setting's default: what is possible, nobody has to say."""
    value = setting.default
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value * 2, value // 2, value - 1)
    elif isinstance(value, float):
        yield from (value * 0.5, value * 2.0, value + 0.25)
    elif isinstance(value, tuple | list) and value and all(isinstance(item, int) for item in value):
        yield from ([*value, value[-1]], [item * 2 for item in value])
    elif value is None and "int" in str(setting.annotation):
        yield from (1, 2, 8)
    elif value is None and "float" in str(setting.annotation):
        yield from (0.5, 2.0)


def adjustable(candidate: Candidate) -> list[inspect.Parameter]:
    """The settings of a part for which other values can be thought of; raises NotApplicable where there are none.

    Those that are bound already, by `functools.partial`, or judged with a value of their own, are settled.
    """
    part = target(candidate)
    settled = {*DECLARED, *OF_THE_STEP, *getattr(part, "keywords", {}), *candidate.settings}
    parameters = inspect.signature(part).parameters.values()
    found = [p for p in parameters if p.name not in settled and next(others(p), None) is not None]
    if not found:
        raise NotApplicable("It has no number and no switch to set.")
    return found


def check_loss_settings_act(candidate: Candidate) -> None:
    """You would set a number in vain: a setting does not change the loss."""
    _each_acts(candidate, _heard)


def check_penalty_settings_act(candidate: Candidate) -> None:
    """You would set a number in vain: a setting does not change the penalty."""
    ops = exact(candidate).ops

    def observed(penalty: Any) -> list[Any]:
        seen: list[Any] = [getattr(penalty, name, None) for name in DECLARED]
        for seed in range(2):
            for scale in (1.0, 0.05):
                at = replace(given(penalty), seed=seed)
                params = {name: scale * array for name, array in at.params.items()}
                found = outcome(ops, penalty, replace(at, params=params))
                seen += [float(found.value), *(array.tolist() for array in found.gradient.values())]
                seen += [float(number) for number in found.memory.values()]
        return seen

    _each_acts(candidate, observed)


def _heard(loss: Any) -> list[Any]:
    """What a loss says of itself, and its values wherever it is asked, in float64 without a framework."""
    xp, seen = namespace(), [getattr(loss, name, None) for name in DECLARED]
    for logits in SITUATIONS.values():
        batch = shown(loss, logits)
        for player in PLAYERS:
            sides = [s.scores({n: xp.asarray(p) for n, p in s.parts.items()}, xp.asarray) for s in batch]
            with np.errstate(all="ignore"):
                seen.append(float(ask(TinyOps(xp), loss, player, *sides)))
    return seen


def _each_acts(candidate: Candidate, observed: Callable[[Any], list[Any]]) -> None:
    must = settings(candidate)
    usual = observed(candidate.made(**must))
    for setting in adjustable(candidate):
        tried = []
        for value in others(setting):
            try:
                part = candidate.made(**{**must, setting.name: value})
            except GankitError:  # not among what is possible
                continue
            tried.append(observed(part) != usual)
        require(
            any(tried) or not tried,
            f"{candidate.name!r} is the same whatever {setting.name} is: its value, its gradient, and what it says of "
            "itself. Use the setting, or remove it.",
        )
