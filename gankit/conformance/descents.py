"""The other optimizers that core brings, in a game, beside their papers' formulas in NumPy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree_by_name
from gankit.conformance.follow import TOLERANCE, compare_terms
from gankit.conformance.games import Recorder, leaves, minibatches, oracle_of, small, start
from gankit.conformance.oracle import Params
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject


@dataclass(frozen=True)
class Rule(ABC):
    """An optimizer by its formula. slots: what it remembers of each parameter, from 0 on."""

    slots: tuple[str, ...]

    def start(self, params: Params) -> dict[str, Params]:
        return {slot: {name: np.zeros_like(p) for name, p in params.items()} for slot in self.slots}

    def move(self, params: Params, gradient: Params, slots: dict[str, Params], t: int, updates: int) -> Params:
        moved = {}
        for name, g in gradient.items():
            own = {slot: arrays[name] for slot, arrays in slots.items()}
            moved[name] = self.one(params[name], g, own, updates)
            for slot, array in own.items():
                slots[slot][name] = array
        return moved

    @abstractmethod
    def one(self, p: Array, g: Array, own: dict[str, Array], updates: int) -> Array:
        """A parameter after one step down g; own: its slots, which move on. updates: how many went before."""

    def leaves(self, slots: dict[str, Params], t: int) -> dict[str, Array]:
        return {f"{slot}/{name}": array for slot, arrays in slots.items() for name, array in arrays.items()}


@dataclass(frozen=True)
class AdamW(Rule):
    """Loshchilov & Hutter 2019, algorithm 2, with the rate on the decay too."""

    lr: float = 2e-3
    decay: float = 0.3
    slots: tuple[str, ...] = ("first", "second")

    def one(self, p: Array, g: Array, own: dict[str, Array], updates: int) -> Array:
        return p - self.lr * (adams(g, own, updates) + self.decay * p)


@dataclass(frozen=True)
class RmsProp(Rule):
    """Hinton 2012, lecture 6e."""

    lr: float = 2e-3
    decay: float = 0.8
    eps: float = 1e-3
    slots: tuple[str, ...] = ("second",)

    def one(self, p: Array, g: Array, own: dict[str, Array], updates: int) -> Array:
        own["second"] = self.decay * own["second"] + (1 - self.decay) * g**2
        return p - self.lr * g / (np.sqrt(own["second"]) + self.eps)


@dataclass(frozen=True)
class OptimisticSgd(Rule):
    """Daskalakis et al. 2018, eq. 2: the present direction twice, less the last one."""

    lr: float = 0.05
    slots: tuple[str, ...] = ("previous",)

    def one(self, p: Array, g: Array, own: dict[str, Array], updates: int) -> Array:
        last, own["previous"] = own["previous"] if updates else g, g
        return p - self.lr * (2 * g - last)


@dataclass(frozen=True)
class OptimisticAdam(Rule):
    """Daskalakis et al. 2018, algorithm 1."""

    lr: float = 2e-3
    slots: tuple[str, ...] = ("first", "second", "previous")

    def one(self, p: Array, g: Array, own: dict[str, Array], updates: int) -> Array:
        direction = adams(g, own, updates)
        last, own["previous"] = own["previous"] if updates else direction, direction
        return p - self.lr * (2 * direction - last)


B1, B2, EPS = 0.6, 0.9, 1e-4


def adams(g: Array, own: dict[str, Array], updates: int) -> Array:
    """Adam's direction; both moments move on."""
    own["first"] = B1 * own["first"] + (1 - B1) * g
    own["second"] = B2 * own["second"] + (1 - B2) * g**2
    corrected = own["second"] / (1 - B2 ** (updates + 1))
    return own["first"] / (1 - B1 ** (updates + 1)) / (np.sqrt(corrected) + EPS)


MOMENTS = {"b1": B1, "b2": B2, "eps": EPS}
RULES: tuple[tuple[Rule, dict[str, Any]], ...] = (
    (AdamW(), {"name": "adamw", "lr": 2e-3, "weight_decay": 0.3, **MOMENTS}),
    (RmsProp(), {"name": "rmsprop", "lr": 2e-3, "decay": 0.8, "eps": 1e-3}),
    (OptimisticSgd(), {"name": "optimistic-sgd", "lr": 0.05}),
    (OptimisticAdam(), {"name": "optimistic-adam", "lr": 2e-3, **MOMENTS}),
)


def check_other_optimizers_follow_their_papers(subject: Subject) -> None:
    """A game by AdamW, RMSprop or an optimistic optimizer would be another one than its paper's."""
    steps = 6
    for rule, settings in RULES:
        config = small(generator_optimizer=settings, discriminator_optimizer=settings, k=2)
        trainer, recorder = start(subject.open(), config), Recorder()
        oracle = oracle_of(trainer, g_rule=rule, d_rule=rule)
        trainer.fit(steps=steps, callbacks=[recorder])
        compare_terms(recorder.terms, oracle, minibatches(config, 0, steps))
        what = f"state after {steps} steps of {settings['name']}"
        agree_by_name(leaves(trainer), oracle.leaves(), what, atol=TOLERANCE)


CHECKS: tuple[Check, ...] = (check_other_optimizers_follow_their_papers,)
