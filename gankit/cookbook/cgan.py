"""The conditional MLP game: both players are given the label as a one-hot vector. Mirza & Osindero 2014."""

from gankit.cookbook import mlp

RECIPE = {**mlp.RECIPE, "loss": {"name": "conditional", "base": "non-saturating"}}
