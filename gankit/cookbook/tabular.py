"""Rows of a table: a category of one column is told, as in CTGAN (Xu et al. 2019), and the rest as works best here."""

from __future__ import annotations

ADAM = {"name": "adam", "lr": 1e-3, "b1": 0.0, "b2": 0.99}

RECIPE = {
    "data": "adult.csv",
    "given": [{"name": "column"}],
    "generator": {"name": "tabular"},
    "discriminator": {"name": "tabular"},
    "loss": "non-saturating",
    "penalties": [{"name": "r1", "weight": 0.02, "every": 4}, {"name": "r2", "weight": 0.02, "every": 4}],
    "generator_optimizer": ADAM,
    "discriminator_optimizer": ADAM,
    "latent_dim": 32,
    "prior": "normal",
    "batch_size": 500,
    "ema": 0.999,
}
