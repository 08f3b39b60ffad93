"""Recipes with one fault each, written as a stranger would write them."""

from __future__ import annotations

import random
from pathlib import Path
from types import MappingProxyType

from planted_parts import Broken, heavy

from gankit.parts.losses import NonSaturating

PLAIN = {
    "data": "ring",
    "generator": {"name": "mlp", "hidden": [8]},
    "discriminator": {"name": "mlp", "hidden": [8]},
    "generator_optimizer": {"name": "adam", "lr": 1e-3},
    "latent_dim": 3,
    "batch_size": 16,
}


def recipe(**changes):
    return {**PLAIN, **changes}


class Own(NonSaturating):
    """A loss that nobody has registered."""


def function():
    return PLAIN


class Counting(dict):
    """One more unit for every game."""

    def __getitem__(self, name):
        if name == "latent_dim":
            self["latent_dim"] = super().__getitem__(name) + 1
        return super().__getitem__(name)

    def items(self):
        return [(name, self[name]) for name in self]


class Widening(dict):
    """A network a unit wider for every game."""

    made = 0

    def items(self):
        type(self).made += 1
        return {**self, "generator": {"name": "mlp", "hidden": [8 + self.made]}}.items()


class Seeded(dict):
    """Draws its own seed, in whatever game."""

    def items(self):
        return {**self, "generator_optimizer": {"name": "adam", "lr": random.random()}}.items()


HEAVY = """
from gankit.cookbook.mlp import RECIPE


class Own(dict):
    pass


Part = Own(RECIPE)
"""

HONEST = {"dict": PLAIN, "proxy": MappingProxyType(PLAIN), "pictures": {**PLAIN, "data": "digits", "penalties": ["r1"]}}
RECIPES = tuple(
    Broken("recipes", *fault)
    for fault in (
        ("a function", "check_recipe_contract", function),
        ("a setting that there is not", "check_recipe_contract", recipe(latent=3)),
        ("how long to train, in words", "check_recipe_contract", recipe(steps="long")),
        ("no steps", "check_recipe_contract", recipe(steps=0)),
        ("names itself", "check_recipe_contract", recipe(recipe="broken")),
        ("an object for a loss", "check_recipe_is_plain", recipe(loss=Own())),
        ("a path", "check_recipe_is_plain", recipe(sources={"b": Path("b.npz")})),
        ("another game each time", "check_recipe_keeps_its_settings", Seeded(PLAIN)),
        ("counts its games", "check_recipe_keeps_its_settings", Counting(PLAIN)),
        ("data that nobody has", "check_recipe_names_data_that_exist", recipe(data="rings")),
        ("a source that nobody has", "check_recipe_names_data_that_exist", recipe(sources={"b": "mnits"})),
        ("a loss that is not installed", "check_recipe_plays", recipe(loss="my-own-loss")),
        ("a network for other data", "check_recipe_plays", recipe(generator={"name": "dcgan"})),
        ("a setting of a part that there is not", "check_recipe_plays", recipe(generator={"name": "mlp", "width": 8})),
        ("a rate of 0", "check_recipe_plays", recipe(generator_optimizer={"name": "sgd", "lr": 0.0})),
        (
            "a rate that is far too high",
            "check_recipe_plays",
            recipe(discriminator_optimizer={"name": "sgd", "lr": 1e30}),
        ),
        ("wider with each game", "check_recipe_plays_the_same_again", Widening(PLAIN)),
        ("another rate each time", "check_recipe_plays_the_same_again", Seeded(PLAIN)),
        ("imports a framework", "check_recipe_imports_no_framework", heavy(HEAVY, '("torch", "jax")')),
        ("imports another", "check_recipe_imports_no_framework", heavy(HEAVY, '("jax", "torch")')),
    )
)
